package legacyhis

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// ColumnsConfig is what the hospital agreed upon with its callers.
type ColumnsConfig struct {
	Key            string // of the signatures
	User, Password string
	Store          string // the hospital's own number of the pharmacy
	Pharmacy       string // and the books' name of it
	PageSize       int    // orders on a page of a list; 0 = 100
}

// Columns is a HIS like none of the others: it answers with lines of columns.
//
//	GET  /ebws/login                        ticket in the header X-Ticket
//	GET  /ebws/stock?yf=03&yp=00010041      one drug a call
//	POST /ebws/hold, /ebws/return, /ebws/order, /ebws/cancel
//	GET  /ebws/hold/{no}, /ebws/order/{no}  two services know of a number
//	GET  /ebws/orders?rq=20261122&ym=1
//
// What is posted is XML made of attributes, in GB18030, as base64. X-Sign is
// base64 of HMAC-SHA1 over X-Time, the ticket and the body as posted. The first
// line of an answer is code|words|more, with T, F, N (nothing there) or B (busy).
// Stock is written as people say it, "3盒4片", with what is frozen still in it and
// told beside it. Orders must repeat name and price of each drug as the stock
// query told them. A ticket that ran out is status 401.
type Columns struct {
	tally
	cfg    ColumnsConfig
	his    *simhis.HIS
	driver hisadapter.Driver
	mux    *http.ServeMux

	ticketMu sync.Mutex
	ticket   string
	number   int
}

// NewColumns returns the handler. Its HIS reads one key in a call and shows
// figures with frozen stock in them; a deduct needs a freeze.
func NewColumns(his *simhis.HIS, cfg ColumnsConfig) *Columns {
	if cfg.PageSize == 0 {
		cfg.PageSize = 100
	}
	s := &Columns{cfg: cfg, his: his, driver: his.Driver(), mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /ebws/login", s.login)
	for pattern, call := range map[string]columnsCall{
		"GET /ebws/stock": s.stock, "POST /ebws/hold": s.hold, "POST /ebws/return": s.giveBack, "POST /ebws/order": s.place,
		"POST /ebws/cancel": s.cancel, "GET /ebws/hold/{no}": s.findHold, "GET /ebws/order/{no}": s.findOrder, "GET /ebws/orders": s.list,
	} {
		s.mux.HandleFunc(pattern, s.admitted(pattern, call))
	}
	return s
}

// columnsCall answers one call. q is what was posted, nil for GET.
type columnsCall func(r *http.Request, q *columnsRequest) (columns, error)

// columns is an answer: its lines, the first one with code, words and more.
type columns [][]string

// columnsRequest is any document that is posted.
type columnsRequest struct {
	No      string        `xml:"no,attr"`
	Lock    string        `xml:"lock,attr"`
	Order   string        `xml:"order,attr"`
	Store   string        `xml:"yf,attr"`
	Patient string        `xml:"patient,attr"`
	RX      string        `xml:"rx,attr"`
	Total   string        `xml:"je,attr"`
	Pay     string        `xml:"pay,attr"`
	PaidAt  string        `xml:"paid,attr"` // 20261122090000
	Reason  string        `xml:"reason,attr"`
	Items   []columnsItem `xml:"yp"`
}

type columnsItem struct {
	Number string `xml:"xh,attr"`
	Drug   string `xml:"dm,attr"`
	Name   string `xml:"mc,attr"`
	Price  string `xml:"dj,attr"`
	Packs  string `xml:"bz,attr"` // up to 2 decimals
}

// ServeHTTP answers one call.
func (s *Columns) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Columns) sign(r *http.Request, ticket, body string) string {
	mac := hmac.New(sha1.New, []byte(s.cfg.Key))
	io.WriteString(mac, r.Header.Get("X-Time")+ticket+body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Columns) login(w http.ResponseWriter, r *http.Request) {
	proof := sha256.Sum256([]byte(s.cfg.Password + r.Header.Get("X-Time")))
	switch {
	case r.Header.Get("X-Sign") != s.sign(r, "", ""):
		s.count(&s.n.BadSignatures)
		http.Error(w, "SIGN", http.StatusForbidden)
	case r.Header.Get("X-User") != s.cfg.User || r.Header.Get("X-Proof") != hex.EncodeToString(proof[:]):
		s.count(&s.n.BadLogins)
		columnsSheet(columnsNo("用户或密码不对")).write(w)
	default:
		s.count(&s.n.Logins)
		s.ticketMu.Lock()
		s.number++
		s.ticket = fmt.Sprintf("%024x", s.number)
		w.Header().Set("X-Ticket", s.ticket)
		s.ticketMu.Unlock()
		w.Header().Set("X-Ticket-Life", "600")
		columnsSheet(columnsYes("成功")).write(w)
	}
}

// EndToken lets the present ticket run out.
func (s *Columns) EndToken() {
	s.ticketMu.Lock()
	defer s.ticketMu.Unlock()
	s.ticket = ""
}

// admitted checks who calls before it hands on what was posted.
func (s *Columns) admitted(name string, call columnsCall) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		s.ticketMu.Lock()
		ticket := s.ticket
		s.ticketMu.Unlock()
		switch {
		case r.Header.Get("X-Ticket") == "" || r.Header.Get("X-Ticket") != ticket:
			s.count(&s.n.ExpiredTokens)
			http.Error(w, "TICKET", http.StatusUnauthorized)
			return
		case r.Header.Get("X-Sign") != s.sign(r, ticket, string(body)):
			s.count(&s.n.BadSignatures)
			http.Error(w, "SIGN", http.StatusForbidden)
			return
		case !s.fresh(r.Header.Get("X-Request-Id")):
			columnsSheet(columnsNo("请求号重复")).write(w)
			return
		}
		q, err := s.read(r, body)
		if err != nil {
			columnsSheet(columnsNo("报文不对: " + err.Error())).write(w)
			return
		}
		s.call(name)
		answer, err := call(r, q)
		if words, spoken := wordsOf(err); spoken && words != nil {
			answer = columnsRefusal(words)
		}
		finish(w, err, columnsSheet(answer), sheet{
			http.StatusInternalServerError, "text/plain; charset=GBK", toGB("ORA-03113: 通信通道的文件结尾"),
		})
	}
}

// read opens what was posted.
func (s *Columns) read(r *http.Request, body []byte) (*columnsRequest, error) {
	if r.Method == http.MethodGet {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(string(body))
	if err != nil {
		s.count(&s.n.BadRequests)
		return nil, err
	}
	text, err := fromGB(raw)
	if err != nil {
		s.count(&s.n.BadCharsets)
		return nil, err
	}
	var q columnsRequest
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&q); err != nil {
		s.count(&s.n.BadRequests)
		return nil, err
	}
	return &q, nil
}
