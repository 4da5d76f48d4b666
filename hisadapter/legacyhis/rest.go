package legacyhis

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// RESTConfig is what the hospital agreed upon with its callers.
type RESTConfig struct {
	APIKey   string // in the header X-Api-Key
	PageSize int    // rows on a page; 0 = 100
}

// REST is a HIS of the newer kind: paths, status codes, pages. It deducts and
// never freezes.
//
//	GET    /v1/pharmacies/{pharmacy}/stock?drugs=a,b&page=1
//	PUT    /v1/orders/{no}
//	GET    /v1/orders/{no}
//	DELETE /v1/orders/{no}
//	GET    /v1/orders?date=2026-11-22&page=1
//
// An error has {"error","message"} and a status of its own. Quantities are
// decimals in strings; those of herbs are grams with three places, and half a
// gram always lies loose on the scale.
type REST struct {
	tally
	cfg    RESTConfig
	driver hisadapter.Driver
	mux    *http.ServeMux
}

// NewREST returns the handler.
func NewREST(his *simhis.HIS, cfg RESTConfig) *REST {
	if cfg.PageSize == 0 {
		cfg.PageSize = 100
	}
	s := &REST{cfg: cfg, driver: his.Driver(), mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /v1/pharmacies/{pharmacy}/stock", s.stock)
	s.mux.HandleFunc("PUT /v1/orders/{no}", s.place)
	s.mux.HandleFunc("GET /v1/orders/{no}", s.find)
	s.mux.HandleFunc("DELETE /v1/orders/{no}", s.cancel)
	s.mux.HandleFunc("GET /v1/orders", s.list)
	return s
}

// ServeHTTP answers one call.
func (s *REST) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Api-Key") != s.cfg.APIKey {
		s.count(&s.n.BadSignatures)
		restError(http.StatusUnauthorized, "UNAUTHORIZED", "api key").write(w)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// finish writes an answer or the HIS's refusal, or breaks it.
func (s *REST) finish(w http.ResponseWriter, err error, status int, v any) {
	whole := restSheet(status, v)
	if words, spoken := wordsOf(err); spoken && words != nil {
		whole = restRefusal(words)
		if words.Outcome == hisadapter.Busy {
			w.Header().Set("Retry-After", "2")
		}
	}
	finish(w, err, whole, restError(http.StatusInternalServerError, "INTERNAL", "unexpected error"))
}

func (s *REST) unread(w http.ResponseWriter, what string) {
	s.count(&s.n.BadRequests)
	restError(http.StatusBadRequest, "BAD_REQUEST", what).write(w)
}

func restSheet(status int, v any) sheet {
	body, err := json.Marshal(v)
	if err != nil {
		return restError(http.StatusInternalServerError, "INTERNAL", "encoding")
	}
	return sheet{status, "application/json", body}
}

type restProblem struct {
	Error     string         `json:"error"`
	Message   string         `json:"message"`
	Shortages []restShortage `json:"shortages,omitempty"`
}

type restShortage struct {
	Drug      string `json:"drug"`
	Requested string `json:"requested"`
	Available string `json:"available"`
}

func restError(status int, code, message string) sheet {
	return restSheet(status, restProblem{Error: code, Message: message})
}

func restRefusal(e *hisadapter.Error) sheet {
	switch e.Outcome {
	case hisadapter.Find:
		if strings.Contains(e.Message, "不存在") {
			return restError(http.StatusNotFound, "ORDER_NOT_FOUND", e.Message)
		}
		return restError(http.StatusConflict, "ORDER_CONFLICT", e.Message)
	case hisadapter.Busy:
		return restError(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", e.Message)
	case hisadapter.Refused:
		p := restProblem{Message: e.Message, Error: map[hisadapter.Kind]string{
			hisadapter.Insufficient: "INSUFFICIENT_STOCK", hisadapter.FreezeLapsed: "HOLD_EXPIRED", hisadapter.PriceChanged: "PRICE_CHANGED",
			hisadapter.AmountMismatch: "AMOUNT_MISMATCH", hisadapter.UnknownDrug: "UNKNOWN_DRUG", hisadapter.Stopped: "DRUG_STOPPED",
			hisadapter.NotDivisible: "NOT_DIVISIBLE", hisadapter.KindOther: "REFUSED",
		}[e.Kind]}
		for _, x := range e.Shortages {
			p.Shortages = append(p.Shortages, restShortage{
				x.DrugID, strconv.FormatInt(x.Requested, 10) + ".000", strconv.FormatInt(x.Available, 10) + ".000",
			})
		}
		return restSheet(http.StatusUnprocessableEntity, p)
	default:
		if strings.Contains(e.Message, "签名") {
			return restError(http.StatusForbidden, "FORBIDDEN", e.Message)
		}
		return restError(http.StatusBadRequest, "BAD_REQUEST", e.Message)
	}
}

// page cuts the rows of a page, numbered from 1, out of all.
func page[T any](r *http.Request, size int, all []T) (rows []T, number, pages int, ok bool) {
	number = 1
	if p := r.URL.Query().Get("page"); p != "" {
		var err error
		if number, err = strconv.Atoi(p); err != nil || number < 1 {
			return nil, 0, 0, false
		}
	}
	pages = max((len(all)+size-1)/size, 1)
	if number > pages {
		return nil, 0, 0, false
	}
	return all[(number-1)*size : min(number*size, len(all))], number, pages, true
}

// restQuantity writes grams with three places and half a gram more than can be
// handed out; other units are whole.
func restQuantity(n int64, unit string) string {
	if unit == "g" {
		return strconv.FormatInt(n, 10) + ".500"
	}
	return strconv.FormatInt(n, 10)
}

func readBody(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return err
	}
	return strictJSON(body, v)
}
