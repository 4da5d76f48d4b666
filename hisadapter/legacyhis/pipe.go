package legacyhis

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// PipeConfig is what the hospital agreed upon with its callers.
type PipeConfig struct {
	Unit string // the caller's name with the hospital, Chinese
	Key  string // of the signatures
}

// Pipe is a HIS behind one form field.
//
//	POST /his/service, form field "p" in GBK:
//	func|unit|message number|argument|…|signature
//
// Lists are joined with "^", the fields of a list's entry with ",". The
// signature is MD5 in lower hex over everything before it, its "|" included,
// and the key. Answers are JavaScript rather than JSON: keys without quotes, in
// GBK. code is 1 for success, 2 for "no data", 0 for a refusal with its own
// number in err.
//
//	kc   pharmacy | drug^drug                     figures in smallest units
//	dj   no | pharmacy | drug,boxes^… | patient   freezes
//	jd   no | lock                                gives a freeze back
//	kk   no | lock | pharmacy | drug,boxes^… | fen | transaction | paid at | patient | rx
//	qx   no | HIS order                           cancels
//	cx   no                                       finds
//	dz   20261122                                 lists a day
//
// A deduct needs a freeze. Whole boxes only go over the counter.
type Pipe struct {
	tally
	cfg    PipeConfig
	his    *simhis.HIS
	driver hisadapter.Driver
}

// NewPipe returns the handler.
func NewPipe(his *simhis.HIS, cfg PipeConfig) *Pipe {
	return &Pipe{cfg: cfg, his: his, driver: his.Driver()}
}

// ServeHTTP answers one call.
func (s *Pipe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/his/service" {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	line, ok := s.field(r, string(body))
	if !ok {
		loginPage().write(w)
		return
	}
	object, err := s.answer(r, line)
	finish(w, err, pipeSheet(object), sheet{
		http.StatusInternalServerError, "text/html; charset=GBK", toGB("<html><h1>HTTP Status 500 - 数据库连接失败</h1></html>"),
	})
}

// field takes the field p out of the form. Its bytes are GBK behind the percent
// signs.
func (s *Pipe) field(r *http.Request, body string) (string, bool) {
	name, escaped, found := strings.Cut(body, "=")
	if !found || name != "p" || strings.Contains(escaped, "&") ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.count(&s.n.BadRequests)
		return "", false
	}
	raw, err := url.QueryUnescape(escaped)
	if err != nil {
		s.count(&s.n.BadRequests)
		return "", false
	}
	line, err := fromGB([]byte(raw))
	if err != nil {
		s.count(&s.n.BadCharsets)
		return "", false
	}
	return line, true
}

// answer checks who calls, and takes the call to the books.
func (s *Pipe) answer(r *http.Request, line string) (pipeObject, error) {
	cut := strings.LastIndex(line, "|") + 1
	if line[cut:] != s.sign(line[:cut]) {
		s.count(&s.n.BadSignatures)
		return pipeNo("99", "验签失败"), nil
	}
	args := strings.Split(line[:cut-1], "|")
	if len(args) < 3 || args[1] != s.cfg.Unit || !s.fresh(args[2]) {
		return s.unread("报文头")
	}
	function, ok := s.functions()[args[0]]
	if !ok || len(args)-3 != function.args {
		return s.unread("参数个数")
	}
	s.call(args[0])
	object, err := function.run(r.Context(), args[3:])
	if words, spoken := wordsOf(err); spoken && words != nil {
		return pipeNo(pipeCode(words), words.Message), err
	}
	return object, err
}

func (s *Pipe) sign(text string) string {
	sum := md5.Sum(toGB(text + s.cfg.Key))
	return hex.EncodeToString(sum[:])
}

func (s *Pipe) unread(what string) (pipeObject, error) {
	s.count(&s.n.BadRequests)
	return pipeNo("98", "参数错误:"+what), nil
}

// pipeCode numbers a refusal.
func pipeCode(e *hisadapter.Error) string {
	switch e.Outcome {
	case hisadapter.Find:
		return "20"
	case hisadapter.Busy:
		return "50"
	case hisadapter.Refused:
		return map[hisadapter.Kind]string{
			hisadapter.Insufficient: "11", hisadapter.FreezeLapsed: "12", hisadapter.PriceChanged: "13", hisadapter.AmountMismatch: "14",
			hisadapter.UnknownDrug: "15", hisadapter.Stopped: "16", hisadapter.NotDivisible: "17", hisadapter.KindOther: "19",
		}[e.Kind]
	default:
		if strings.Contains(e.Message, "签名") {
			return "99"
		}
		return "98"
	}
}
