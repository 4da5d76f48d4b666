// Package httphis drives any HIS that speaks HTTP, from one YAML mapping file:
// SOAP or plain XML, JSON, forms, delimited text, each inside the other, in
// UTF-8, GBK or GB18030, signed, encrypted, behind a login.
//
//	m, err := httphis.Load("his.yaml")             // every fault of the file at once, with its line
//	d, err := httphis.New(m, capabilities, httphis.Options{})
//
// # What a call goes through
//
//	          parts      body        charset      transport (once, no redirects)
//	request ───────► … ───────► text ───────► bytes ─────────────────────┐
//	                                                                     ▼
//	outcome ◄─── rules ◄─── document ◄─── unwrap ◄─── text ◄─── bytes of the answer
//	   │           └── nothing fits: unknown
//	   ├── login_again: log in, then the same call once more
//	   └── done: fields are read; one that is missing or does not fit: unknown
//
// An answer is done only by a rule that names what the HIS said. What cannot be
// read (HTML page, cut answer, wrong charset, status 5xx, too large, too deep)
// is unknown. A call for which no connection was had is not sent.
//
// # A mapping file
//
// The example is complete: each key there is stands in it or in the lists below
// it, and it is loaded by a test. It is a SOAP service with XML inside a string,
// GB18030, an MD5 signature over that string, and a login.
//
//	connection:
//	  url: http://127.0.0.1:8080/his          # each request's path is appended
//	  charset: gb18030                        # utf-8 (default), gbk, gb18030: of requests, signatures and answers
//	  # proxy: http://10.0.0.1:3128           # a forward proxy; without it none is used, whatever the environment says
//	  # answer_max: 8388608                   # bytes, 8 MiB by default
//	  # login_timeout: 10s                    # the longest that a login may take, whoever waits for it
//	  # tls: {min: "1.0", ciphers: [TLS_RSA_WITH_AES_128_CBC_SHA], ca_file: ca.pem, cert_file: c.pem, key_file: k.pem,
//	  #       server_name: his, insecure_skip_verify: true}    # the last lets anybody pose as the HIS; hisgate warns at each start
//
//	secrets:                                  # never in this file, never printed; {{ secret.NAME }}
//	  sign_key: {env: HIS_SIGN_KEY}
//	  password: {file: secrets/his-password}  # relative to this file; a trailing line break is cut off
//	  # aes_key: {env: HIS_AES_KEY, encoding: hex}    # text (default), hex, base64
//
//	values: {operator: "9001"}                # constants, {{ value.NAME }}; an operation may add and override
//	tables: {pharmacy: {HLWYF: "0203"}}       # {{ pharmacy_id | lookup "pharmacy" }}; an entry that is missing: refused, not sent
//
//	drugs_file: drugs.csv                     # optional, CSV: drug_id, and any of pharmacy_id, ratio, multiple; goes before the HIS's own
//	facts_max_age: 10m                        # a write whose templates use facts older than this reads the drugs first
//
//	session:                                  # optional: the operation that logs in
//	  life: 25m                               # or fields expires_in (seconds) or expires
//	  request:
//	    values: {trade: LOGIN}
//	    parts:
//	      data: {xml: '<Request><user>{{ value.operator }}</user><password>{{ secret.password | md5 }}</password></Request>'}
//	  answer:
//	    fields: {token: //token}              # {{ session.token }}; any other field too
//	    outcome:
//	      - {code: "0", then: done}
//
//	defaults:                                 # every operation, and the login, begins with this
//	  request:
//	    method: POST
//	    path: /Service.asmx
//	    headers:
//	      Content-Type: text/xml; charset=gb18030
//	      SOAPAction: '"http://his.example/Call"'
//	    parts:                                # rendered in this order, before the body; {{ part.NAME }}
//	      signed: {text: '{{ value.trade }}{{ part.data }}{{ secret.sign_key }}'}
//	    body:
//	      xml: |
//	        <soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">
//	          <soap:Body>
//	            <Call xmlns="http://his.example/">
//	              <trade>{{ value.trade }}</trade>
//	              <message>{{ message_id }}</message>
//	              <token>{{ session.token | default "" }}</token>
//	              <data><![CDATA[{{ part.data }}]]></data>
//	              <sign>{{ part.signed | md5 | upper }}</sign>
//	            </Call>
//	          </soap:Body>
//	        </soap:Envelope>
//	  answer:
//	    status: [200]                         # with any other status only rules that name a status are looked at
//	    charset: gb18030                      # where it is not the connection's
//	    unwrap:                               # from the bytes of the answer to the document that the rules read
//	      - xml
//	      - outcome:                          # rules on this layer; what fits none goes on
//	          - {at: "//*[local-name()='faultstring']", contains: 拒绝, then: misconfigured}
//	      - text: //*[local-name()='CallResult']    # the text of this place …
//	      - xml                               # … is XML again; its own encoding declaration is ignored
//	    code: //ResultCode                    # what a rule's `code` looks at, and what logs show
//	    message: //ResultMsg                  # the same for `message`
//	    outcome:                              # looked at after the operation's own rules
//	      - {code: "-9", then: login_again}
//	      - {code: ["-8", "-7"], then: misconfigured}
//	      - {message: [系统繁忙, 请稍后], then: busy}
//	      - {status: 503, then: busy}         # only where the HIS is known to do nothing then
//
//	operations:
//	  query_stock:
//	    request:
//	      values: {trade: YF01}
//	      parts:
//	        data:
//	          xml: |
//	            <Request><yfdm>{{ pharmacy_id | lookup "pharmacy" }}</yfdm>
//	            {{ each keys }}<yp><dm>{{ key.drug_id }}</dm></yp>{{ end }}
//	            <page>{{ page }}</page></Request>
//	    answer:
//	      outcome:
//	        - {code: "0", then: done}
//	        - {code: "1", then: unknown_drug} # "empty": none of the drugs asked for is known
//	      rows: //Item                        # one row a drug, or one a lot
//	      where:                              # rows that do not fit all of these count nothing; the drug is known all the same
//	        - {at: yxq, not_expired: yyyy-MM-dd}
//	        - {at: ckdm, is: ["01", "02"]}
//	      lots: sum                           # rows of one drug are added up; without it two rows of one drug are unknown,
//	                                          # and so are packs of two sizes; a price that not all lots have is not told
//	      missing: unknown_drug               # a drug without a row: unknown_drug (default), or zero
//	      sold_in: smallest                   # or pack: sold in whole packs only
//	      pages: {total: //pages, max: 20}    # or more: {at: //next, is: "1"}; or size: 100, which goes on while a page is full
//	      fields:
//	        drug_id: ypdm                     # short for {at: ypdm}: an XPath from the row
//	        pharmacy_id: {at: yfdm, table: pharmacy}    # optional: rows of other pharmacies are left out
//	        on_hand:                          # a list is added up; each kind of unit is rounded down
//	          - {at: zjsl, in: pack}          # counted in units of `ratio` smallest ones (packs); decimals are fine
//	          - {at: lssl}                    # smallest units
//	          - {at: djsl, subtract: true}
//	        ratio: bzl                        # smallest units in a pack: 24, 0.5, or 1/24 where the HIS counts pieces of a sealed box
//	        multiple: zxxs                    # the step in which the drug is sold, smallest units
//	        name: ypmc
//	        unit: zxdw
//	        price: {at: lsj, per: pack}       # yuan for: smallest (default), pack, or a number of smallest units
//	        stopped: {at: tybz, true: ["1"], false: ["0", ""]}
//	      facts: {spec: ypgg, batch: ypph}    # more to remember of each drug: {{ line.fact.spec }}
//
//	  freeze:
//	    request:
//	      values: {trade: YF02}
//	      parts:
//	        data:
//	          xml: |
//	            <Request><djh>{{ his_no }}</djh><brid>{{ attr.patient_id }}</brid><rq>{{ now | time "yyyy-MM-dd HH:mm:ss" }}</rq>
//	            {{ each lines }}<yp><xh>{{ line.index }}</xh><dm>{{ line.drug_id }}</dm><mc>{{ line.fact.name }}</mc>
//	            <sl>{{ line.quantity | packs }}</sl></yp>{{ end }}</Request>
//	    answer:
//	      outcome: &write
//	        - {code: "0", then: done}
//	        - {code: "2", then: find}         # duplicate, wrong state
//	        - {message: 库存不足, then: refused insufficient}
//	        - {message: 已过期, then: refused lapsed}
//	        - {message: 停用, then: refused stopped}
//	        - {message: 药品不存在, then: refused unknown_drug}
//	        - {message: 金额, then: refused amount_mismatch}
//	        - {code: "3", then: refused other}
//	      fields: {lock_id: //lsh, expires: {at: //sxsj, format: yyyy-MM-dd HH:mm:ss}}
//	      shortages: {rows: //Short, drug_id: dm, available: {at: sl, in: pack}}
//
//	  unfreeze:
//	    request:
//	      values: {trade: YF03}
//	      parts: {data: {xml: '<Request><djh>{{ his_no }}</djh><lsh>{{ lock_id }}</lsh></Request>'}}
//	    answer: {outcome: *write}             # lock_id not known: find_order is asked for it first
//
//	  place_order:
//	    request:
//	      values: {trade: YF04}
//	      parts:
//	        data:
//	          xml: |
//	            <Request><djh>{{ his_no }}</djh><lsh>{{ lock_id | default "" }}</lsh><je>{{ drugs_fen | yuan }}</je>
//	            <zfls>{{ transaction_id }}</zfls><zfsj>{{ paid_at | time "yyyyMMddHHmmss" }}</zfsj>
//	            {{ if attr.rx_no }}<cfhm>{{ attr.rx_no }}</cfhm>{{ end }}
//	            {{ each lines }}<yp><dm>{{ line.drug_id }}</dm><sl>{{ line.quantity }}</sl></yp>{{ end }}</Request>
//	    answer: {outcome: *write, fields: {his_order_no: //fphm, his_no: //djh}}   # his_no: must be the one that was sent
//
//	  find_order:                             # a list here asks several services; see "Find" below
//	    request:
//	      values: {trade: YF05}
//	      parts: {data: {xml: '<Request><djh>{{ his_no }}</djh></Request>'}}
//	    answer:
//	      outcome:
//	        - {code: "0", at: //zt, is: "1", then: frozen}
//	        - {code: "0", at: //zt, is: "2", then: deducted}
//	        - {code: "0", at: //zt, is: ["3", "4"], then: released}
//	        - {code: "0", at: //zt, is: "5", then: lapsed}
//	        - {code: "1", then: none}
//	      fields: {lock_id: //lsh, expires: {at: //sxsj, format: yyyy-MM-dd HH:mm:ss}, his_order_no: //fphm}
//
//	  cancel_order:
//	    request:
//	      values: {trade: YF06}
//	      parts: {data: {xml: '<Request><djh>{{ his_no }}</djh><fphm>{{ his_order_no }}</fphm></Request>'}}
//	    answer: {outcome: *write}
//
//	  list_orders:
//	    request:
//	      values: {trade: YF07}
//	      parts: {data: {xml: '<Request><rq>{{ day | time "yyyy-MM-dd" }}</rq></Request>'}}
//	    answer:
//	      outcome:
//	        - {code: "0", then: done}
//	        - {code: "1", then: none}         # no orders that day
//	      rows: //Order
//	      fields: {his_no: djh, his_order_no: fphm, amount: {at: je, in: yuan}, canceled: {at: zf, true: ["1"], false: ["0"]}}
//	      lines: {rows: yp, drug_id: dm, quantity: sl}    # optional
//
// # Templates
//
// {{ value | filter | filter argument }}. What is printed is escaped for where
// it stands: XML text, attribute and CDATA, JSON string (between quotes) or JSON
// value (outside them: a text gets its quotes, a number stays bare), form and
// query value, path segment. A part is a text, so XML in XML, JSON in JSON and
// any mixture come out right. `raw` switches escaping off for one value. A body
// or part that is not well-formed is not sent.
//
// Kinds of part and body: xml, json, text (nothing is escaped), delimited with
// its separators (a value that holds one of them, or a line break, is refused),
// form (body only), join (part only):
//
//	parts:
//	  data:   {json: '{"djh": {{ his_no }}, "items": [{{ each lines "," }}{"dm": {{ line.drug_id }}, "sl": {{ line.quantity }}}{{ end }}]}'}
//	  line:   {delimited: '{{ his_no }}|{{ each lines "#" }}{{ line.drug_id }}^{{ line.quantity }}{{ end }}', separators: ["|", "#", "^"]}
//	  tosign: {join: {appid: "{{ value.appid }}", data: "{{ part.data }}", nonce: "{{ nonce }}"}, sort: true, pair: "=", between: "&", skip_empty: true}
//	  signed: {text: '{{ part.tosign }}&key={{ secret.sign_key }}'}
//	  cipher: {text: '{{ part.data | aes_cbc secret.aes_key secret.aes_iv | base64 }}'}
//	query: {sign: "{{ part.signed | sm3 | upper }}"}
//	body:
//	  form: {data: "{{ part.data }}", time: '{{ now | time "unix_ms" }}'}
//
// (without sort a join keeps the order written; pair is "=" and between is "&"
// where nothing is said). {{ each lines ", " }} puts the text between the
// turns; {{ if x }} {{ if not x }} {{ else }} {{ end }} ask whether a value is
// there and not empty; {{- and -}} eat the white space beside them.
//
// A value that is not there refuses the call before anything is sent, unless
// `default` says what to print instead.
//
//	everywhere     now message_id nonce value.X secret.X session.X part.X; page in query_stock and list_orders
//	query_stock    pharmacy_id; each keys: key.drug_id key.index (a request is about one pharmacy); drug_id where batch_size is 1
//	freeze         his_no pharmacy_id until attr.X; each lines: line.drug_id .quantity .fen .index .fact.X
//	unfreeze       his_no lock_id pharmacy_id; each lines
//	place_order    his_no lock_id pharmacy_id drugs_fen transaction_id paid_at attr.X; each lines
//	find_order     his_no
//	cancel_order   his_no his_order_no
//	list_orders    day
//
// message_id (32 hexadecimal characters) and nonce (16 digits) are fresh in each
// attempt and the same within one; now too. Facts: name unit price (as the HIS
// wrote it) ratio multiple, and those named by `facts`.
//
//	default "x"            when there is no value
//	time "yyyy-MM-dd HH:mm:ss.SSS"   China time; also unix, unix_ms, rfc3339. add "15m" before it shifts
//	yuan                   fen as yuan: 12.30
//	packs, packs 3         a line's quantity in packs: whole ones, or with up to 3 decimals; what cannot be said so is refused (not_divisible)
//	lookup "table"         the entry of a table
//	upper lower trim       cut 20 (the first 20 characters)   replace "a" "b"   split "^" 1 (the first piece)
//	number                 a text as a JSON number
//	md5 sha1 sha256 sm3    of the bytes in the HIS's charset; printed as lower-case hex; then upper, or base64 (of the bytes)
//	hmac_md5 hmac_sha1 hmac_sha256 hmac_sm3 secret.key
//	aes_ecb secret.key     aes_cbc secret.key secret.iv (PKCS7), then base64 or hex
//	base64 hex url         bytes "utf-8" before a digest takes another charset
//	raw                    unescaped
//
// # Answers
//
// Steps of unwrap: xml, json, lenient_json (unquoted keys, single quotes, 0012 unquoted),
// delimited: {rows: "\n", columns: "|", names: [code, message, no], ended: true} (a
// document /rows/row with c1, c2 … or the names; with names the number of columns
// must fit; with ended the last row must end as the others do, or the answer was
// cut, which shows nowhere else in such an answer), text: XPATH (goes on with the text of this place), inside: {at: /data, unwrap:
// [base64, json]} (what is in the text of this place takes its place, the rest of
// the document stays: /data/list/item; where there is no text it stays as it is),
// base64, hex, decrypt: {cipher: aes_cbc, key: "{{ secret.aes_key }}", iv:
// "{{ secret.aes_iv }}"} (or aes_ecb without iv; base64 or hex before it), charset:
// gbk (bytes to text, where it is not the connection's), outcome: RULES.
//
// JSON is read by XPath too: {"data":{"items":[{"dm":"1"}]}} is /data/items/item/dm,
// the entries of every list are called item, and numbers stay as written. A path
// that takes too long on an answer makes it unknown: position() does on thousands
// of rows; all but the first are /rows/row[1]/following-sibling::row.
//
// A rule fits when all that it names is so: code, message (contains), status
// (503, or 5xx), rows (0, or some), at with one of is, not, contains, matches,
// empty; code_matches and message_matches take regular expressions; name is for
// people. A list means any of these. What says that something is so (done, none,
// frozen, …) needs the HIS's word for it: a code, or a field that is there or is
// something. For done, frozen and deducted a text that contains another is too
// little: 未成功 contains 成功; a regular expression must speak of the whole text,
// ^…$. A refusal needs a word of the HIS too: a status alone may be a proxy's.
// Where a path of a rule or a field stands for several places that say different
// things, nothing is decided by it: the answer, or the drug, is unknown. So it is where
// a field without match stands for a list or an object of several values: 3 and 5 are
// not 35. then is one of
//
//	every operation   busy misconfigured login_again unknown, refused KIND
//	                  (insufficient lapsed price_changed amount_mismatch unknown_drug stopped not_divisible other)
//	writes, login     done find
//	query_stock       done unknown_drug
//	find_order        none frozen deducted released lapsed next
//	list_orders       done none
//
// not_expired holds through the last day (of the month, where yyyyMM is all), and where the date is empty; a row that
// has no such place cannot be read.
//
// A field is an XPath or {at, match (regular expression, its first group), default
// (also for an empty one), format (times), in, per, true, false}; header: Set-Cookie
// instead of at reads a header, fixed: "5" is always the same. Texts are trimmed. An answer
// that is done without a field that it must have is unknown.
//
// # Find
//
// find_order may be a list of calls, asked in turn while the rule says next.
// Ask first what comes first in an order's life (the freeze, then the order):
// what changes between two questions is then not missed.
//
// # Fitting a mapping
//
// Driver.Render shows the requests of an operation without sending them, with
// what is signed; Driver.Parse reads a saved answer step by step and names the
// rule that decided; Driver.Call sends one call; Options.Record sees each
// exchange. Secrets, tokens and what can be turned back into them are masked in
// all of them, but for what an answer says in an enciphered or encoded form.
package httphis
