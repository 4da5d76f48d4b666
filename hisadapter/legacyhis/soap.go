package legacyhis

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// SOAPConfig is what the hospital agreed upon with its callers.
type SOAPConfig struct {
	Key            string // of the signatures
	User, Password string
	TokenUses      int // a token is good for so many calls; 0 = for ever
}

// SOAP is a HIS behind SOAP 1.1 as ASMX serves it.
//
//	POST /HisService.asmx, SOAPAction "http://tempuri.org/CallService"
//
// The one method CallService has the parameter inXml, a string that holds an
// XML document; its answer is such a string again. Everything is GB18030,
// whatever the inner documents declare. ResultCode is 1 for success, 0 for "no
// data", -1 for everything else, told apart only by the words in ResultMsg.
// Quantities are packs with up to 4 decimals; stock comes as one row for each
// lot, expired lots among them.
type SOAP struct {
	tally
	cfg    SOAPConfig
	his    *simhis.HIS
	driver hisadapter.Driver

	tokenMu sync.Mutex
	token   string
	number  int
	uses    int
}

// NewSOAP returns the handler.
func NewSOAP(his *simhis.HIS, cfg SOAPConfig) *SOAP {
	return &SOAP{cfg: cfg, his: his, driver: his.Driver()}
}

const (
	soapAction    = `"http://tempuri.org/CallService"`
	soapNamespace = "http://schemas.xmlsoap.org/soap/envelope/"
	soapKind      = "text/xml; charset=gb2312"
	maxRequest    = 1 << 20
)

var errUnread = errors.New("the request cannot be read")

// ServeHTTP answers one call.
func (s *SOAP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/HisService.asmx" {
		http.NotFound(w, r)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
		s.count(&s.n.BadRequests)
		http.Error(w, "Unsupported Media Type", http.StatusUnsupportedMediaType)
		return
	}
	if r.Header.Get("SOAPAction") != soapAction {
		s.count(&s.n.BadRequests)
		soapCrash("服务器未能识别 HTTP 头 SOAPAction 的值").write(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	text, err := fromGB(body)
	if err != nil {
		s.count(&s.n.BadCharsets)
		loginPage().write(w)
		return
	}
	q, err := readSOAP(text)
	if err != nil {
		s.count(&s.n.BadRequests)
		soapCrash("服务器无法处理请求。 ---> " + err.Error()).write(w)
		return
	}
	answer, err := s.answer(r, q)
	finish(w, err, soapSheet(answer), soapCrash("服务器无法处理请求。 ---> 对象引用未设置到对象的实例。"))
}

// answer checks who calls, and takes the call to the books.
func (s *SOAP) answer(r *http.Request, q *soapRequest) (soapAnswer, error) {
	head := q.Head
	if got, want := head.Sign, q.signature(s.cfg.Key); got != want {
		s.count(&s.n.BadSignatures)
		return soapNo("验签失败"), nil
	}
	if !s.fresh(head.MsgID) {
		return soapNo("参数错误: MsgId 重复"), nil
	}
	if head.TradeCode == "0001" {
		return s.login(q), nil
	}
	if !s.admits(head.Token) {
		s.count(&s.n.ExpiredTokens)
		return soapNo("令牌无效或已过期,请重新登录"), nil
	}
	trade, ok := s.trades()[head.TradeCode]
	if !ok {
		s.count(&s.n.BadRequests)
		return soapNo("接口未开通"), nil
	}
	s.call(head.TradeCode)
	answer, err := trade(r.Context(), q.Body)
	if words, spoken := wordsOf(err); spoken && words != nil {
		return soapNo(words.Message), err
	}
	return answer, err
}

func (s *SOAP) login(q *soapRequest) soapAnswer {
	if q.Body.User != s.cfg.User || q.Body.Password != s.cfg.Password {
		s.count(&s.n.BadLogins)
		return soapNo("用户名或密码错误")
	}
	s.count(&s.n.Logins)
	s.tokenMu.Lock()
	defer s.tokenMu.Unlock()
	s.number++
	s.token, s.uses = fmt.Sprintf("TK%08d+/=", s.number), 0
	a := soapYes()
	a.Token, a.ValidSeconds = s.token, 1800
	return a
}

// admits uses a token once. A new login ends the token before it.
func (s *SOAP) admits(token string) bool {
	s.tokenMu.Lock()
	defer s.tokenMu.Unlock()
	if token == "" || token != s.token || s.cfg.TokenUses > 0 && s.uses >= s.cfg.TokenUses {
		return false
	}
	s.uses++
	return true
}

// EndToken lets the present token run out, as a HIS does that is restarted.
func (s *SOAP) EndToken() {
	s.tokenMu.Lock()
	defer s.tokenMu.Unlock()
	s.token = ""
}

// signature is MD5 in upper hex over listed fields and the key, in GBK.
func (q *soapRequest) signature(key string) string {
	h := q.Head
	text := "TradeCode=" + h.TradeCode + "&Operator=" + h.Operator + "&MsgId=" + h.MsgID + "&ReqTime=" + h.ReqTime +
		"&Token=" + h.Token + "&OrderNo=" + q.Body.OrderNo + "&key=" + key
	return fmt.Sprintf("%X", md5.Sum(toGB(text)))
}

func readSOAP(text string) (*soapRequest, error) {
	var envelope struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    struct {
			Call *struct {
				InXML string `xml:"http://tempuri.org/ inXml"`
			} `xml:"http://tempuri.org/ CallService"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	if err := unmarshalXML(text, &envelope); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	if envelope.Body.Call == nil {
		return nil, fmt.Errorf("%w: no CallService", errUnread)
	}
	var q soapRequest
	if err := unmarshalXML(envelope.Body.Call.InXML, &q); err != nil {
		return nil, fmt.Errorf("%w: inXml: %w", errUnread, err)
	}
	return &q, nil
}

// unmarshalXML reads a document that is text already, whatever encoding it
// declares.
func unmarshalXML(text string, v any) error {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	return d.Decode(v)
}

// soapSheet wraps an answer. The inner document declares utf-16, because it was
// a .NET string once.
func soapSheet(a soapAnswer) sheet {
	inner, err := xml.Marshal(a)
	if err != nil {
		return soapCrash(err.Error())
	}
	return soapWrap(http.StatusOK, `<CallServiceResponse xmlns="http://tempuri.org/"><CallServiceResult>`+
		escapeXML(`<?xml version="1.0" encoding="utf-16"?>`+string(inner))+
		`</CallServiceResult></CallServiceResponse>`)
}

// soapCrash is how ASMX reports an exception.
func soapCrash(words string) sheet {
	return soapWrap(http.StatusInternalServerError,
		`<soap:Fault><faultcode>soap:Server</faultcode><faultstring>`+escapeXML(words)+`</faultstring><detail /></soap:Fault>`)
}

func soapWrap(status int, body string) sheet {
	return sheet{status, soapKind, toGB(`<?xml version="1.0" encoding="gb2312"?><soap:Envelope xmlns:soap="` + soapNamespace +
		`"><soap:Body>` + body + `</soap:Body></soap:Envelope>`)}
}

func escapeXML(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a bytes.Buffer takes everything
	}
	return b.String()
}
