package legacyhis_test

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

func able() hisadapter.Capabilities {
	return hisadapter.Capabilities{Freeze: true, Find: true, Cancel: true, List: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 20}
}

func openHIS(t *testing.T, cfg simhis.Config) *simhis.HIS {
	t.Helper()
	if cfg.Catalogue.Drugs == nil {
		cfg.Catalogue = simhis.DemoCatalogue()
	}
	h, err := simhis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Books().Check(); err != nil {
			t.Errorf("the books do not agree: %v", err)
		}
	})
	return h
}

func gb(t *testing.T, s string) string {
	t.Helper()
	out, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// post sends raw bytes and returns the status and the answer, read as GB18030.
func post(t *testing.T, h http.Handler, path, body string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer, err := io.ReadAll(simplifiedchinese.GB18030.NewDecoder().Reader(w.Result().Body))
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(answer)
}

func wantAnswer(t *testing.T, what string, status int, answer string, wantStatus int, want string) {
	t.Helper()
	if status != wantStatus || !strings.Contains(answer, want) {
		t.Errorf("%s: status %d, %s; want %d with %q", what, status, answer, wantStatus, want)
	}
}

// soapCall is what a careful caller sends.
func soapCall(t *testing.T, trade, id, token, body, key string) string {
	t.Helper()
	signed := "TradeCode=" + trade + "&Operator=药房&MsgId=" + id + "&ReqTime=20261122090000&Token=" + token + "&OrderNo=&key=" + key
	inner := fmt.Sprintf(`<?xml version="1.0" encoding="utf-16"?><Request><Head><TradeCode>%s</TradeCode><Operator>药房</Operator><MsgId>%s</MsgId>`+
		`<ReqTime>20261122090000</ReqTime><Token>%s</Token><Sign>%X</Sign></Head><Body>%s</Body></Request>`,
		trade, id, token, md5.Sum([]byte(gb(t, signed))), body)
	return gb(t, `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><CallService xmlns="http://tempuri.org/">`+
		`<inXml><![CDATA[`+inner+`]]></inXml></CallService></soap:Body></soap:Envelope>`)
}

func TestSOAPIsStrict(t *testing.T) {
	s := legacyhis.NewSOAP(openHIS(t, simhis.Config{Capabilities: able()}), legacyhis.SOAPConfig{Key: "k", User: "u", Password: "p", TokenUses: 2})
	const path = "/HisService.asmx"
	send := func(body string) (int, string) {
		return post(t, s, path, body, "Content-Type", "text/xml; charset=gb2312", "SOAPAction", `"http://tempuri.org/CallService"`)
	}
	login := "<UserName>u</UserName><Password>p</Password>"
	stock := "<PharmacyCode>HLWYF</PharmacyCode><Drugs><DrugCode>00010041</DrugCode><DrugCode>none</DrugCode></Drugs>"

	status, answer := post(t, s, path, soapCall(t, "0001", "1", "", login, "k"), "Content-Type", "text/xml")
	wantAnswer(t, "no SOAPAction", status, answer, 500, "SOAPAction")
	status, answer = post(t, s, path, "{}", "Content-Type", "application/json")
	wantAnswer(t, "JSON", status, answer, 415, "Unsupported")
	status, answer = send("<x/>")
	wantAnswer(t, "no envelope", status, answer, 500, "soap:Fault")
	status, answer = send("<a>药</a>")
	wantAnswer(t, "UTF-8", status, answer, 200, "<html>")
	status, answer = send(soapCall(t, "0001", "1", "", login, "wrong"))
	wantAnswer(t, "signature", status, answer, 200, "&lt;ResultCode&gt;-1&lt;/ResultCode&gt;&lt;ResultMsg&gt;验签失败")
	status, answer = send(soapCall(t, "0001", "1", "", "<UserName>u</UserName>", "k"))
	wantAnswer(t, "password", status, answer, 200, "用户名或密码错误")
	status, answer = send(soapCall(t, "1001", "2", "TK00000001+/=", stock, "k"))
	wantAnswer(t, "no login", status, answer, 200, "令牌")
	status, answer = send(soapCall(t, "0001", "3", "", login, "k"))
	wantAnswer(t, "login", status, answer, 200, "TK00000001+/=")

	status, answer = send(soapCall(t, "1001", "4", "TK00000001+/=", stock, "k"))
	wantAnswer(t, "first lot", status, answer, 200, "&lt;ExpiryDate&gt;20991130&lt;/ExpiryDate&gt;&lt;PackQty&gt;5.0000&lt;")
	wantAnswer(t, "expired lot", status, answer, 200, "&lt;ExpiryDate&gt;20200101&lt;/ExpiryDate&gt;&lt;PackQty&gt;10.0000&lt;")
	if strings.Contains(answer, "none") {
		t.Errorf("an unknown drug has a row: %s", answer)
	}
	status, answer = send(soapCall(t, "1001", "4", "TK00000001+/=", stock, "k"))
	wantAnswer(t, "replay", status, answer, 200, "MsgId")
	status, answer = send(soapCall(t, "1001", "5", "TK00000001+/=", "<PharmacyCode>HLWYF</PharmacyCode><Drugs><DrugCode>none</DrugCode></Drugs>", "k"))
	wantAnswer(t, "no data", status, answer, 200, "&lt;ResultCode&gt;0&lt;")
	status, answer = send(soapCall(t, "1001", "6", "TK00000001+/=", stock, "k"))
	wantAnswer(t, "token used up", status, answer, 200, "令牌")

	n := s.Counters()
	if n.BadCharsets != 1 || n.BadSignatures != 1 || n.BadLogins != 1 || n.Logins != 1 || n.ExpiredTokens != 2 || n.Replays != 1 || n.Calls["1001"] != 2 {
		t.Errorf("counters %+v", n)
	}
}

// pipeCall is what a careful caller sends.
func pipeCall(t *testing.T, line, key string) string {
	t.Helper()
	line += "|"
	return "p=" + url.QueryEscape(gb(t, line+fmt.Sprintf("%x", md5.Sum([]byte(gb(t, line+key))))))
}

func TestPipeIsStrict(t *testing.T) {
	his := openHIS(t, simhis.Config{Capabilities: able()})
	s := legacyhis.NewPipe(his, legacyhis.PipeConfig{Unit: "互联网医院", Key: "k"})
	send := func(body string) (int, string) {
		return post(t, s, "/his/service", body, "Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range []struct{ what, body, want string }{
		{"signature", pipeCall(t, "cx|互联网医院|1|RX1", "wrong"), `{code:0,err:99,`},
		{"unit", pipeCall(t, "cx|别家|2|RX1", "k"), `{code:0,err:98,`},
		{"a | too many", pipeCall(t, "cx|互联网医院|3|RX1|", "k"), `{code:0,err:98,`},
		{"no data", pipeCall(t, "cx|互联网医院|4|RX1", "k"), `{code:2,msg:"无记录"}`},
		{"replay", pipeCall(t, "cx|互联网医院|4|RX1", "k"), `{code:0,err:98,`},
		{"UTF-8", "p=" + url.QueryEscape("cx|药"), "<html>"},
		{"no form", "x=1", "<html>"},
		{"boxes", pipeCall(t, "dj|互联网医院|5|RX1|HLWYF|00010042,2|P1", "k"), `{code:1,msg:"成功",djh:"DJ`},
		{"duplicate", pipeCall(t, "dj|互联网医院|6|RX1|HLWYF|00010042,2|P1", "k"), `{code:0,err:20,msg:"单据号重复"}`},
		{"half a box", pipeCall(t, "dj|互联网医院|7|RX2|HLWYF|00010042,1.5|P1", "k"), `{code:0,err:98,`},
		{"state", pipeCall(t, "cx|互联网医院|8|RX1", "k"), `zt:"冻结"`},
	} {
		status, answer := send(c.body)
		wantAnswer(t, c.what, status, answer, 200, c.want)
	}
	if o, ok := his.Books().Order("RX1"); !ok || o.Freezes[0].Lines[0].Quantity != 48 {
		t.Errorf("two boxes of 24 were frozen as %+v", o)
	}
}

func TestRESTIsStrict(t *testing.T) {
	s := legacyhis.NewREST(openHIS(t, simhis.Config{Capabilities: able()}), legacyhis.RESTConfig{APIKey: "k", PageSize: 2})
	for _, c := range []struct {
		method, path, key, body string
		status                  int
		want                    string
	}{
		{"GET", "/v1/orders/RX1", "", "", 401, "UNAUTHORIZED"},
		{"GET", "/v1/orders/RX1", "k", "", 404, "ORDER_NOT_FOUND"},
		{"GET", "/v1/order/RX1", "k", "", 404, "404 page not found"},
		{"GET", "/v1/pharmacies/HLWYF/stock?drugs=00050003,no,00010041&page=1", "k", "", 200, `{"page":1,"pages":2,"items":[{"drug":"00050003"`},
		{"GET", "/v1/pharmacies/HLWYF/stock?drugs=00050003", "k", "", 200, `"unit":"g","quantity":"5000.500"`},
		{"GET", "/v1/pharmacies/HLWYF/stock?drugs=00050003&page=2", "k", "", 400, "BAD_REQUEST"},
		{"PUT", "/v1/orders/RX1", "k", `{"paid_at":"x"}`, 400, "BAD_REQUEST"},
		{"PUT", "/v1/orders/RX1", "k", `{"pharmacy":"HLWYF","paid_at":"2026-11-22T09:00:00+08:00","lines":[{"drug":"00050003","quantity":"5001"}]}`, 422, `"available":"5000.000"`},
		{"PUT", "/v1/orders/RX1", "k", `{"pharmacy":"HLWYF","paid_at":"2026-11-22T09:00:00+08:00","lines":[{"drug":"00050003","quantity":"2"}]}`, 201, `"number":"CF`},
		{"DELETE", "/v1/orders/RX1", "k", "", 200, "CANCELED"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("X-Api-Key", c.key)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		wantAnswer(t, c.method+" "+c.path, w.Code, w.Body.String(), c.status, c.want)
	}
}

func TestJSONSignIsStrict(t *testing.T) {
	s := legacyhis.NewJSONSign(openHIS(t, simhis.Config{Capabilities: able()}), legacyhis.JSONSignConfig{AppID: "a", Key: "k"})
	for _, c := range []struct{ what, body, want string }{
		{"field", `{"appID":"a","other":1}`, `"code":"9002"`},
		{"signature", `{"appId":"a","method":"order.get","sign":"x"}`, `"code":"9001"`},
		// SM3 of appId=a&data={"outNo":"RX1"}&method=order.get&nonce=1&timestamp=20261122090000&key=k
		{
			"no data", `{"appId":"a","method":"order.get","version":"","timestamp":"20261122090000","nonce":"1","data":"{\"outNo\":\"RX1\"}",` +
				`"sign":"` + sm3NoData + `"}`, `"code":"0001"`,
		},
	} {
		status, answer := post(t, s, "/gateway/api", c.body)
		wantAnswer(t, c.what, status, answer, 200, c.want)
	}
}

// sm3NoData was computed by openssl dgst -sm3.
const sm3NoData = "9dfde6eefc7a22bccabbfb733ff86361d6fde882d1a10ca083d07cf864d497b7"

func TestCookieIsStrict(t *testing.T) {
	s := legacyhis.NewCookie(openHIS(t, simhis.Config{Capabilities: able()}), legacyhis.CookieConfig{
		Key: "k", User: "u", Password: "p", Store: "03", Pharmacy: simhis.DemoPharmacy,
	})
	const path, kind = "/PharmService.asmx/Invoke", "application/x-www-form-urlencoded; charset=GBK"
	form := func(method, id, param, key string) string {
		const ticks = "1795320000000"
		sum := sha256.Sum256([]byte(gb(t, key+method+id+ticks+param)))
		return url.Values{"Method": {method}, "Id": {id}, "Ticks": {ticks}, "Param": {gb(t, param)}, "Sign": {fmt.Sprintf("%X", sum)}}.Encode()
	}
	login := fmt.Sprintf("<P><User>u</User><Password>%x</Password></P>", sha256.Sum256([]byte("p")))
	stock := "<P><Store>03</Store><Id>00010041</Id></P>"

	status, answer := post(t, s, path, "{}", "Content-Type", "application/json")
	wantAnswer(t, "JSON", status, answer, 200, "<html>")
	status, answer = post(t, s, path, form("Login", "1", login, "k")+"&more=1", "Content-Type", kind)
	wantAnswer(t, "another field", status, answer, 200, "<html>")
	status, answer = post(t, s, path, form("Login", "1", login, "wrong"), "Content-Type", kind)
	wantAnswer(t, "signature", status, answer, 200, "&#34;Code&#34;:-98")
	status, answer = post(t, s, path, form("Login", "1", "<P><User>u</User></P>", "k"), "Content-Type", kind)
	wantAnswer(t, "password", status, answer, 200, "&#34;Code&#34;:-1")
	status, answer = post(t, s, path, form("GetStock", "2", stock, "k"), "Content-Type", kind)
	wantAnswer(t, "no session", status, answer, 200, "&#34;Code&#34;:-99")
	status, answer = post(t, s, path, form("Login", "3", login, "k"), "Content-Type", kind)
	wantAnswer(t, "login", status, answer, 200, "&#34;Code&#34;:0")
	const session = "ASP.NET_SessionId=kx00000001qz"
	status, answer = post(t, s, path, form("GetStock", "4", stock, "k"), "Content-Type", kind, "Cookie", session)
	wantAnswer(t, "stock", status, answer, 200, "&#34;Code&#34;:1")
	status, answer = post(t, s, path, form("GetStock", "4", stock, "k"), "Content-Type", kind, "Cookie", session)
	wantAnswer(t, "a number used twice", status, answer, 200, "&#34;Code&#34;:-98")
	status, answer = post(t, s, path, form("Settle", "5", "<P><Store>03</Store><No>1</No><Fen>x</Fen></P>", "k"), "Content-Type", kind, "Cookie", session)
	wantAnswer(t, "no amount", status, answer, 200, "&#34;Code&#34;:-98")
	s.EndSession()
	status, answer = post(t, s, path, form("GetStock", "6", stock, "k"), "Content-Type", kind, "Cookie", session)
	wantAnswer(t, "a session that is over", status, answer, 200, "&#34;Code&#34;:-99")
	if n := s.Counters(); n.Logins != 1 || n.BadLogins != 1 || n.BadSignatures != 1 || n.ExpiredTokens != 2 || n.Replays != 1 || n.Calls["GetStock"] != 1 {
		t.Errorf("it counted %+v", n)
	}
}
