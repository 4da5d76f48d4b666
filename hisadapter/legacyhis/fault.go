package legacyhis

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// sheet is an answer as it goes over the wire.
type sheet struct {
	status int
	kind   string // Content-Type
	body   []byte
}

func (s sheet) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", s.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(s.body)))
	w.WriteHeader(s.status)
	w.Write(s.body) // the caller is gone when this fails; nothing is left to do
}

// half is the sheet as a process writes it that dies while it writes: half the
// document, and then an end of the body that looks like a proper one.
func (s sheet) half() sheet {
	s.body = s.body[:len(s.body)/2]
	return s
}

// loginPage is what a gateway in front of a HIS says when it lost its session:
// status 200, HTML, GBK.
func loginPage() sheet {
	return sheet{
		http.StatusOK, "text/html; charset=gb2312",
		[]byte("<html><head><title>\xb5\xc7\xc2\xbc</title></head><body><form action=login.aspx></form></body></html>"),
	}
}

// wordsOf returns the HIS's business words of err, nil for success, and whether
// there are words at all: a call may end without, and then answer must break.
func wordsOf(err error) (words *hisadapter.Error, spoken bool) {
	if err == nil {
		return nil, true
	}
	e, ok := errors.AsType[*hisadapter.Error](err)
	if !ok || e.Err != nil && !errors.Is(err, hisadapter.ErrUnsupported) {
		return nil, false
	}
	return e, true
}

// finish writes the answer of a call that ended in err: whole when the HIS
// spoke, else broken in the way of err. crash is the dialect's page for status
// 500.
func finish(w http.ResponseWriter, err error, whole, crash sheet) {
	if _, spoken := wordsOf(err); spoken {
		whole.write(w)
		return
	}
	switch {
	case errors.Is(err, simhis.ErrServer):
		crash.write(w)
	case errors.Is(err, simhis.ErrNonsense):
		loginPage().write(w)
	case errors.Is(err, simhis.ErrHalf):
		whole.half().write(w)
	default: // cut, hung until the caller left, or off the network
		panic(http.ErrAbortHandler)
	}
}
