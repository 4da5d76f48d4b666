package legacyhis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// CookieConfig is what the hospital agreed upon with its callers.
type CookieConfig struct {
	Key            string // of the signatures
	User, Password string
	Store          string // the hospital's own number of the pharmacy
	Pharmacy       string // and the books' name of it
	PageSize       int    // orders on a page of a list; 0 = 100
}

// Cookie is a HIS behind the HTTP POST door of an ASMX, with a session.
//
//	POST /PharmService.asmx/Invoke, form fields Method, Id, Ticks, Param, Sign in GBK
//
// Param is an XML document. Sign is SHA-256 in upper hex over key, Method, Id,
// Ticks and Param as GBK. Login answers with a cookie, and every other call needs
// it. An answer is UTF-8: JSON inside <string>, and in its Body an XML document in
// GBK as base64. Code is 1 for a query that was answered and 0 for a write that
// was done; 2 is "nothing there", -99 a session that is over, -98 a caller who is
// not understood, -50 busy, and -1 everything else, in words. Stock is boxes and
// loose ones, one row a lot, of all stores, expired ones among them. A freeze is
// given back by its own number alone, and a duplicate does not tell it; an order is
// cancelled by the number of its bill.
type Cookie struct {
	tally
	cfg    CookieConfig
	his    *simhis.HIS
	driver hisadapter.Driver

	sessionMu sync.Mutex
	session   string
	number    int
}

// NewCookie returns the handler.
func NewCookie(his *simhis.HIS, cfg CookieConfig) *Cookie {
	if cfg.PageSize == 0 {
		cfg.PageSize = 100
	}
	return &Cookie{cfg: cfg, his: his, driver: his.Driver()}
}

// EndSession ends the session, as a restart of the HIS does.
func (s *Cookie) EndSession() {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	s.session = ""
}

// cookieAnswer is an answer before it is wrapped.
type cookieAnswer struct {
	code int
	msg  string
	body string // XML
}

// The codes that are no business.
const (
	cookieRead  = 1
	cookieDone  = 0
	cookieNone  = 2
	cookieNo    = -1
	cookieBusy  = -50
	cookieWrong = -98
	cookieOver  = -99
)

func (a cookieAnswer) sheet() sheet {
	doc, err := json.Marshal(struct {
		Code int
		Msg  string
		Body string
	}{a.code, a.msg, base64.StdEncoding.EncodeToString(toGB(a.body))})
	if err != nil {
		return loginPage()
	}
	var text strings.Builder
	xml.EscapeText(&text, doc) // a strings.Builder takes everything
	return sheet{http.StatusOK, "text/xml; charset=utf-8", []byte(
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<string xmlns=\"http://tempuri.org/\">" + text.String() + "</string>")}
}

// ServeHTTP answers one call.
func (s *Cookie) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/PharmService.asmx/Invoke" {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	form, ok := s.form(r, string(body))
	if !ok {
		loginPage().write(w)
		return
	}
	a, err := s.answer(w, r, form)
	if words, spoken := wordsOf(err); spoken && words != nil {
		a = cookieRefusal(words)
	}
	finish(w, err, a.sheet(), sheet{http.StatusInternalServerError, "text/plain", []byte("System.NullReferenceException: Object reference not set")})
}

// form reads the five fields.
func (s *Cookie) form(r *http.Request, body string) (map[string]string, bool) {
	values, err := url.ParseQuery(body)
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.count(&s.n.BadRequests)
		return nil, false
	}
	form := map[string]string{}
	for _, name := range []string{"Method", "Id", "Ticks", "Param", "Sign"} {
		if len(values[name]) != 1 {
			s.count(&s.n.BadRequests)
			return nil, false
		}
		if form[name], err = fromGB([]byte(values.Get(name))); err != nil {
			s.count(&s.n.BadCharsets)
			return nil, false
		}
	}
	return form, len(values) == len(form)
}

// answer checks who calls, and takes the call to the books.
func (s *Cookie) answer(w http.ResponseWriter, r *http.Request, form map[string]string) (cookieAnswer, error) {
	sum := sha256.Sum256(toGB(s.cfg.Key + form["Method"] + form["Id"] + form["Ticks"] + form["Param"]))
	if fmt.Sprintf("%X", sum) != form["Sign"] {
		s.count(&s.n.BadSignatures)
		return cookieAnswer{cookieWrong, "签名不符", ""}, nil
	}
	var q cookieParam
	decoder := xml.NewDecoder(strings.NewReader(form["Param"]))
	if err := decoder.Decode(&q); err != nil || !s.fresh(form["Id"]) || len(form["Ticks"]) != 13 {
		return s.unread("报文")
	}
	if form["Method"] == "Login" {
		return s.login(w, q), nil
	}
	if sid, err := r.Cookie("ASP.NET_SessionId"); err != nil || !s.open(sid.Value) {
		s.count(&s.n.ExpiredTokens)
		return cookieAnswer{cookieOver, "会话已失效", ""}, nil
	}
	method, ok := s.methods()[form["Method"]]
	if !ok {
		return s.unread("Method")
	}
	s.call(form["Method"])
	return method(r.Context(), q)
}

func (s *Cookie) login(w http.ResponseWriter, q cookieParam) cookieAnswer {
	if q.User != s.cfg.User || q.Password != fmt.Sprintf("%x", sha256.Sum256([]byte(s.cfg.Password))) {
		s.count(&s.n.BadLogins)
		return cookieAnswer{cookieNo, "用户名或密码错误", ""}
	}
	s.count(&s.n.Logins)
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	s.number++
	s.session = fmt.Sprintf("kx%08dqz", s.number)
	http.SetCookie(w, &http.Cookie{Name: "ASP.NET_SessionId", Value: s.session, Path: "/", HttpOnly: true})
	return cookieAnswer{cookieDone, "", "<R/>"}
}

func (s *Cookie) open(session string) bool {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	return s.session != "" && session == s.session
}

func (s *Cookie) unread(what string) (cookieAnswer, error) {
	s.count(&s.n.BadRequests)
	return cookieAnswer{cookieWrong, "参数错误:" + what, ""}, nil
}

// cookieRefusal is a refusal in words.
func cookieRefusal(e *hisadapter.Error) cookieAnswer {
	switch e.Outcome {
	case hisadapter.Busy:
		return cookieAnswer{cookieBusy, e.Message, ""}
	case hisadapter.Misconfigured:
		return cookieAnswer{cookieWrong, e.Message, ""}
	default:
		return cookieAnswer{cookieNo, e.Message, ""}
	}
}
