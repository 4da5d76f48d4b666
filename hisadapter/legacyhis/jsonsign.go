package legacyhis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// JSONSignConfig is what the hospital agreed upon with its callers.
type JSONSignConfig struct {
	AppID string
	Key   string // of the signatures

	// Cipher, of 16 bytes, makes the dialect its encrypted variant: documents
	// are AES-128-CBC with the initial vector IV and PKCS#7, in base64, and
	// signed by HMAC-SHA256 in upper hex instead of SM3 in lower.
	Cipher, IV []byte
}

// JSONSign is a HIS behind one JSON address.
//
//	POST /gateway/api {"appId","method","version","timestamp","nonce","data","sign"}
//
// data is a JSON document inside a string, and so it is in the answer
// {"code","msg","data"}. Each status is 200. The signature goes over all fields
// that are not empty, sorted by name. Ids of drugs and stores are numbers, most
// of them above 2^53, and so are lock numbers; money is a number of yuan, moments
// are milliseconds. One query names 20 drugs at most.
type JSONSign struct {
	tally
	cfg    JSONSignConfig
	his    *simhis.HIS
	driver hisadapter.Driver
}

// NewJSONSign returns the handler. Its HIS reads 20 keys in a call.
func NewJSONSign(his *simhis.HIS, cfg JSONSignConfig) *JSONSign {
	return &JSONSign{cfg: cfg, his: his, driver: his.Driver()}
}

// The codes of the dialect.
const (
	jsonOK           = "0000"
	jsonNoData       = "0001"
	jsonConflict     = "2001"
	jsonBusy         = "8001"
	jsonBadSign      = "9001"
	jsonBadParameter = "9002"
	jsonNotOpened    = "9003"
)

type jsonEnvelope struct {
	AppID     string `json:"appId"`
	Method    string `json:"method"`
	Version   string `json:"version"`
	Timestamp string `json:"timestamp"` // 20261122093000, China's time
	Nonce     string `json:"nonce"`
	Data      string `json:"data"`
	Sign      string `json:"sign"`
}

// jsonAnswer is what an operation answers: a code, words, and a document.
type jsonAnswer struct {
	code, msg string
	data      any // nil = none
}

func jsonYes(data any) jsonAnswer { return jsonAnswer{jsonOK, "成功", data} }

// ServeHTTP answers one call.
func (s *JSONSign) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/gateway/api" {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var q jsonEnvelope
	if err := strictJSON(body, &q); err != nil {
		s.count(&s.n.BadRequests)
		s.sheet(jsonAnswer{jsonBadParameter, "参数错误: " + err.Error(), nil}).write(w)
		return
	}
	answer, err := s.answer(r.Context(), q)
	finish(w, err, s.sheet(answer), sheet{
		http.StatusInternalServerError, "text/html;charset=utf-8",
		[]byte("<h1>Whitelabel Error Page</h1><div>There was an unexpected error (type=Internal Server Error, status=500).</div>"),
	})
}

func (s *JSONSign) answer(ctx context.Context, q jsonEnvelope) (jsonAnswer, error) {
	if q.AppID != s.cfg.AppID || q.Sign != s.sign(q) {
		s.count(&s.n.BadSignatures)
		return jsonAnswer{jsonBadSign, "签名错误", nil}, nil
	}
	if !s.fresh(q.Nonce) || len(q.Timestamp) != len("20060102150405") {
		return s.unread(errors.New("nonce or timestamp"))
	}
	document, err := s.open(q.Data)
	if err != nil {
		return s.unread(err)
	}
	method, ok := s.methods()[q.Method]
	if !ok {
		s.count(&s.n.BadRequests)
		return jsonAnswer{jsonNotOpened, "接口未开通", nil}, nil
	}
	s.call(q.Method)
	answer, err := method(ctx, document)
	if words, spoken := wordsOf(err); spoken && words != nil {
		return jsonRefusal(words), err
	}
	return answer, err
}

func (s *JSONSign) unread(cause error) (jsonAnswer, error) {
	s.count(&s.n.BadRequests)
	return jsonAnswer{jsonBadParameter, "参数错误: " + cause.Error(), nil}, nil
}

// signed is the text that is signed: the fields that are not empty, by name.
func (q jsonEnvelope) signed() string {
	fields := []string{
		"appId=" + q.AppID, "method=" + q.Method, "version=" + q.Version, "timestamp=" + q.Timestamp, "nonce=" + q.Nonce,
		"data=" + q.Data,
	}
	fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasSuffix(f, "=") && strings.Count(f, "=") == 1 })
	slices.Sort(fields)
	return strings.Join(fields, "&")
}

// sheet wraps an answer: its document into a string, enciphered where the
// variant is.
func (s *JSONSign) sheet(a jsonAnswer) sheet {
	out := struct {
		Code string `json:"code"`
		Msg  string `json:"msg"`
		Data string `json:"data"`
	}{Code: a.code, Msg: a.msg}
	if a.data != nil {
		document, err := json.Marshal(a.data)
		if err != nil {
			return sheet{http.StatusOK, "application/json", []byte(`{"code":"9999","msg":"` + err.Error() + `"}`)}
		}
		out.Data = s.seal(document)
	}
	body, err := json.Marshal(out)
	if err != nil {
		body = []byte(`{"code":"9999"}`)
	}
	return sheet{http.StatusOK, "application/json;charset=UTF-8", body}
}

// strictJSON reads one JSON value with known fields.
func strictJSON(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// jsonNumber is an id or a moment that goes over the wire as a JSON number with
// all its digits.
type jsonNumber string

func (n jsonNumber) MarshalJSON() ([]byte, error) {
	if !isNumber(string(n)) {
		return nil, fmt.Errorf("%q is no number", string(n))
	}
	return []byte(n), nil
}

func (n *jsonNumber) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if !isNumber(string(b)) {
		return fmt.Errorf("%s is no plain number", b)
	}
	*n = jsonNumber(b)
	return nil
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}
