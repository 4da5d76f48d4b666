package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// api is hisgate as a web back end sees it: JSON over HTTP.
type api struct {
	t    *testing.T
	base string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// try makes a call. The error says that there was no answer.
func (a api) try(method, path, body string) (answer, error) {
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

func (a api) call(method, path, body string) answer {
	a.t.Helper()
	got, err := a.try(method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

func (a api) get(path string) answer { a.t.Helper(); return a.call(http.MethodGet, path, "") }

func (a api) post(path, body string) answer { a.t.Helper(); return a.call(http.MethodPost, path, body) }

// into reads a good answer; anything else ends the test.
func (a answer) into(t *testing.T, m proto.Message) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	if err := protojson.Unmarshal(a.body, m); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

func (a answer) order(t *testing.T) *hisgatev1.Order {
	t.Helper()
	o := &hisgatev1.Order{}
	a.into(t, o)
	return o
}

func (a answer) lock(t *testing.T) *hisgatev1.Lock {
	t.Helper()
	l := &hisgatev1.Lock{}
	a.into(t, l)
	return l
}

// failure is the JSON of an error, as a client without protobuf reads it.
type failure struct {
	Code    int
	Message string
	Details []struct {
		Type            string `json:"@type"`
		Reason          string
		Domain          string
		RetryDelay      string
		FieldViolations []struct{ Field, Description string } `json:"field_violations"`
		Shortages       []struct {
			DrugID    string `json:"drug_id"`
			Requested string
			Available string
		}
	}
}

func (a answer) failure(t *testing.T) failure {
	t.Helper()
	var f failure
	if err := json.Unmarshal(a.body, &f); err != nil {
		t.Fatalf("status %d, and no JSON: %v: %s", a.status, err, a.body)
	}
	keepsSecrets(t, "an error", string(a.body))
	return f
}

func (f failure) reason() string {
	for _, d := range f.Details {
		if d.Reason != "" {
			return d.Reason
		}
	}
	return ""
}

// fields names the fields that an error complains of.
func (f failure) fields() []string {
	var out []string
	for _, d := range f.Details {
		for _, v := range d.FieldViolations {
			out = append(out, v.Field)
		}
	}
	return out
}

// short reports whether an error tells this shortage.
func (f failure) short(drug, requested, available string) bool {
	for _, d := range f.Details {
		for _, s := range d.Shortages {
			if s.DrugID == drug && s.Requested == requested && s.Available == available {
				return true
			}
		}
	}
	return false
}

// refused checks that an answer is an error with a status and a reason.
func (a answer) refused(t *testing.T, status int, reason hisgatev1.Reason_Code) failure {
	t.Helper()
	f := a.failure(t)
	if a.status != status || f.reason() != reason.String() {
		t.Errorf("answer %d %s, want %d %s: %s", a.status, f.reason(), status, reason, a.body)
	}
	if status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "" {
		t.Errorf("%s without Retry-After", reason)
	}
	return f
}

// orderJSON is the body of an order of n units of a drug, as the README has it.
func orderJSON(no, strategy, drug string, n int) string {
	payment := ""
	if strategy != "HOLD" {
		payment = `,"payment":` + jsapiJSON
	}
	return fmt.Sprintf(`{"order_no":%q,"strategy":%q,"pharmacy_id":"HLWYF","items":[{"drug_id":%q,"quantity":"%d"}],
		"attributes":{"rx_no":"CF-%s"}%s}`, no, strategy, drug, n, no, payment)
}

const jsapiJSON = `{"method":"JSAPI","appid":"wx8888888888888888","payer_openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","description":"互联网医院药费"}`

func lockJSON(no, drug string, n int, ttl string) string {
	return fmt.Sprintf(`{"order_no":%q,"pharmacy_id":"HLWYF","items":[{"drug_id":%q,"quantity":"%d"}],"ttl":%q}`, no, drug, n, ttl)
}

// create places an order that must be taken.
func (a api) create(no, strategy, drug string, n int) *hisgatev1.Order {
	a.t.Helper()
	return a.post("/v1/orders", orderJSON(no, strategy, drug, n)).order(a.t)
}

// await waits until an order stands in one of the states.
func (a api) await(no string, states ...hisgatev1.Order_Status) *hisgatev1.Order {
	a.t.Helper()
	var o *hisgatev1.Order
	eventually(a.t, "order "+no, func() error {
		got, err := a.try(http.MethodGet, "/v1/orders/"+no, "")
		if err != nil {
			return err
		}
		o = got.order(a.t)
		if !slices.Contains(states, o.GetStatus()) {
			return fmt.Errorf("order %s is %s, want %v: %s", no, o.GetStatus(), states, got.body)
		}
		return nil
	})
	return o
}

// awaitLock waits until a lock has a status.
func (a api) awaitLock(no string, status hisgatev1.Lock_Status) *hisgatev1.Lock {
	a.t.Helper()
	var l *hisgatev1.Lock
	eventually(a.t, "lock "+no, func() error {
		got, err := a.try(http.MethodGet, "/v1/locks/"+no, "")
		if err != nil {
			return err
		}
		l = got.lock(a.t)
		return want("lock "+no, l.GetStatus(), status)
	})
	return l
}

// live reads a drug from the HIS itself.
func (a api) live(drug string) *hisgatev1.Stock {
	a.t.Helper()
	s := &hisgatev1.Stock{}
	a.get("/v1/stock/"+drug+"?pharmacy_id=HLWYF&freshness=LIVE").into(a.t, s)
	return s
}
