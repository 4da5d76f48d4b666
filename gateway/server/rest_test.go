package server_test

import (
	"cmp"
	"strings"
	"testing"
)

// TestRESTTraps holds what grpc-gateway does otherwise by default.
func TestRESTTraps(t *testing.T) {
	w := newWorld(t, newFakePay())
	w.mustCall(t, "POST", "/v1/locks", lockBody("R1", "00010041", 1))
	good := lockBody("R2", "00010041", 1)
	tests := []struct {
		name, method, path, body string
		header                   []string
		code                     int
		reason                   string
	}{
		{"junk after the JSON", "POST", "/v1/locks", good + "x", nil, 400, "MALFORMED_REQUEST"},
		{"two messages", "POST", "/v1/locks", good + good, nil, 400, "MALFORMED_REQUEST"},
		{"unknown field", "POST", "/v1/locks", `{"order_no":"R3","colour":"red"}`, nil, 400, "MALFORMED_REQUEST"},
		{"no JSON", "POST", "/v1/locks", "order_no=R3", nil, 400, "MALFORMED_REQUEST"},
		{"empty body of a create", "POST", "/v1/locks", "", nil, 400, "INVALID_FIELD"},
		{"empty body of a verb", "POST", "/v1/locks/R1:release", "", nil, 200, ""},
		{"query on POST", "POST", "/v1/locks?x=1", good, nil, 400, "MALFORMED_REQUEST"},
		{"unknown parameter", "GET", "/v1/locks?pharmacy=1", "", nil, 400, "MALFORMED_REQUEST"},
		{"path variable as a parameter", "GET", "/v1/stock/00010041?pharmacy_id=HLWYF&drug_id=x", "", nil, 400, "MALFORMED_REQUEST"},
		{"nested parameter", "GET", "/v1/locks?created_after.seconds=1", "", nil, 400, "MALFORMED_REQUEST"},
		{"twice under two names", "GET", "/v1/locks?pharmacy_id=1&pharmacyId=2", "", nil, 400, "MALFORMED_REQUEST"},
		{"bad parameter", "GET", "/v1/locks?page_size=x", "", nil, 400, "MALFORMED_REQUEST"},
		{"parameter out of range", "GET", "/v1/locks?page_size=501", "", nil, 400, "INVALID_FIELD"},
		{"parameter not UTF-8", "GET", "/v1/locks?pharmacy_id=%ff", "", nil, 400, "MALFORMED_REQUEST"},
		{"query not readable", "GET", "/v1/locks?pharmacy_id=%zz", "", nil, 400, "MALFORMED_REQUEST"},
		{"path not UTF-8", "GET", "/v1/locks/%ff", "", nil, 400, "MALFORMED_REQUEST"},
		{"JSON name of a parameter", "GET", "/v1/locks?pharmacyId=HLWYF&status=LOCKED", "", nil, 200, ""},
		{"no such path", "GET", "/v1/nothing", "", nil, 404, "NO_SUCH_METHOD"},
		{"other method", "DELETE", "/v1/locks/R1", "", nil, 405, "NO_SUCH_METHOD"},
		{"other method of two", "PUT", "/v1/locks", "", nil, 405, "NO_SUCH_METHOD"},
		{"GET of a verb", "GET", "/v1/orders:check", "", nil, 405, "NO_SUCH_METHOD"},
		{"form falls back to GET", "POST", "/v1/locks/R1", "", []string{"Content-Type", "application/x-www-form-urlencoded"}, 405, "NO_SUCH_METHOD"},
		{"method override", "POST", "/v1/locks/R1", "", []string{"X-HTTP-Method-Override", "GET", "Content-Type", "application/x-www-form-urlencoded"}, 405, "NO_SUCH_METHOD"},
		{"curl's content type", "POST", "/v1/locks", lockBody("R4", "00010041", 1), []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, ""},
		{"JSON with charset", "POST", "/v1/locks", lockBody("R5", "00010041", 1), []string{"Content-Type", "application/json; charset=UTF-8"}, 200, ""},
		{"XML", "POST", "/v1/locks", "<a/>", []string{"Content-Type", "text/xml"}, 415, "MALFORMED_REQUEST"},
		{"too large", "POST", "/v1/locks", strings.Repeat(" ", 1<<20+1), nil, 413, "MALFORMED_REQUEST"},
		{"1 MiB", "POST", "/v1/locks", lockBody("R6", "00010041", 1) + strings.Repeat(" ", 1<<20-200), nil, 200, ""},
		{"bad timeout", "GET", "/v1/locks/R1", "", []string{"Grpc-Timeout", "soon"}, 400, "MALFORMED_REQUEST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, header, out := w.call(t, tt.method, tt.path, tt.body, tt.header...)
			if code != tt.code || reasonIn(out) != tt.reason {
				t.Errorf("%d %v, want %d %s", code, out, tt.code, tt.reason)
			}
			if header.Get("Content-Type") != "application/json" {
				t.Errorf("content type %q", header.Get("Content-Type"))
			}
			if allow := map[string]string{"GET of a verb": "POST", "other method of two": "GET, POST"}[tt.name]; code == 405 && header.Get("Allow") != cmp.Or(allow, "GET") {
				t.Errorf("Allow: %q", header.Get("Allow"))
			}
		})
	}
}

// TestAWrongTypeNamesTheFieldAsWeDo, wherever it stands and however the request
// spelled it.
func TestAWrongTypeNamesTheFieldAsWeDo(t *testing.T) {
	w := newWorld(t, newFakePay())
	for _, body := range []string{
		`{"order_no":5}`, `{"orderNo":5}`, `{"order_no":"R1","items":[{"drug_id":7}]}`, `{"order_no":"R1","items":[{"drugId":7}]}`,
	} {
		field := "order_no"
		if strings.Contains(body, "items") {
			field = "drug_id"
		}
		code, _, out := w.call(t, "POST", "/v1/locks", body)
		if words, _ := out["message"].(string); code != 400 || !strings.Contains(words, "field "+field+":") {
			t.Errorf("%s: %d %q", body, code, out["message"])
		}
	}
}

func TestIDsOfAnyShapeReachTheirMethod(t *testing.T) {
	w := newWorld(t, newFakePay())
	for _, path := range []string{"/v1/stock/A%2FB%3A1", "/v1/stock/A%2fB:1"} {
		if out := w.mustCall(t, "GET", path+"?pharmacy_id=HLWYF", ""); out["drug_id"] != "A/B:1" {
			t.Errorf("%s reached %v", path, out)
		}
	}
	out := w.mustCall(t, "GET", "/v1/stock/00010041?pharmacy_id=HLWYF", "")
	for field, want := range map[string]any{
		"drug_id": "00010041", "available": "1000", "held": "0", "multiple": "1", "price": "3.3330",
		"price_per": "100", "orderable": true, "degraded": false, "drug_name": "甲硝唑片",
	} {
		if out[field] != want {
			t.Errorf("%s is %v, want %v", field, out[field], want)
		}
	}
}

// TestE5NoHeaderMakesAnIdentity: whatever a client says of itself, it is the one
// principal, and its metadata stay outside.
func TestE5NoHeaderMakesAnIdentity(t *testing.T) {
	w := newWorld(t, newFakePay())
	_, _, out := w.call(t, "POST", "/v1/locks", lockBody("R1", "00010041", 1),
		"Grpc-Metadata-Principal", "hisgate/payflow", "Authorization", "Bearer hisgate/payflow", "X-Forwarded-User", "root",
		"Grpc-Metadata-X-Request-Id", "forged", "X-Forwarded-For", "10.0.0.1")
	if out["principal"] != "local" {
		t.Errorf("lock of %v", out["principal"])
	}
}

// TestE1LocksOfOrdersCannotBeTouched through LockService.
func TestE1LocksOfOrdersCannotBeTouched(t *testing.T) {
	w := newWorld(t, newFakePay())
	w.mustCall(t, "POST", "/v1/orders", orderBody("RX000001", "HOLD"))
	for _, c := range []struct {
		method, path, body string
		code               int
		reason             string
	}{
		{"GET", "/v1/locks/RX000001", "", 404, "NOT_FOUND"},
		{"POST", "/v1/locks/RX000001:confirm", "", 404, "NOT_FOUND"},
		{"POST", "/v1/locks", lockBody("RX000001", "00010041", 30), 409, "ORDER_NO_REUSED"},
	} {
		if code, _, out := w.call(t, c.method, c.path, c.body); code != c.code || reasonIn(out) != c.reason {
			t.Errorf("%s %s: %d %v, want %d %s", c.method, c.path, code, out, c.code, c.reason)
		}
	}
	w.call(t, "POST", "/v1/locks/RX000001:release", "")
	if out := w.mustCall(t, "GET", "/v1/orders/RX000001", ""); out["status"] != "LOCKED" {
		t.Errorf("the order is %v after a stranger's Release", out["status"])
	}
	locks := w.mustCall(t, "GET", "/v1/locks?order_no=RX000001", "")["locks"].([]any)
	if len(locks) != 1 || locks[0].(map[string]any)["status"] != "LOCKED" {
		t.Errorf("an operator sees %v", locks)
	}
}

func TestRequestIDGoesBothWays(t *testing.T) {
	w := newWorld(t, newFakePay())
	tests := []struct {
		name   string
		given  []string
		echoed bool
	}{
		{"given", []string{"X-Request-Id", "abc-1"}, true},
		{"none", nil, false},
		{"two", []string{"X-Request-Id", "a", "X-Request-Id", "b"}, false},
		{"too long", []string{"X-Request-Id", strings.Repeat("x", 65)}, false},
		{"with blanks", []string{"X-Request-Id", "a b"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, header, _ := w.call(t, "GET", "/v1/locks/NONE", "", tt.given...)
			got := header.Values("X-Request-Id")
			if len(got) != 1 || got[0] == "" {
				t.Fatalf("request id %q", got)
			}
			if tt.echoed != (len(tt.given) > 0 && got[0] == tt.given[1]) {
				t.Errorf("given %q, got %q", tt.given, got)
			}
			if !strings.Contains(w.log.String(), `"request_id":"`+got[0]+`"`) {
				t.Errorf("the log does not know %s", got[0])
			}
		})
	}
}

func TestNothingPrivateIsLogged(t *testing.T) {
	w := newWorld(t, newFakePay())
	w.mustCall(t, "POST", "/v1/orders", orderBody("RX000001", "RESERVE"))
	w.call(t, "POST", "/v1/orders", strings.ReplaceAll(orderBody("RX000002", "RESERVE"), "JSAPI", "WRONG"))
	if log := w.log.String(); strings.Contains(log, "oSECRETopenid") || !strings.Contains(log, "/hisgate.v1.OrderService/CreateOrder") {
		t.Errorf("log: %s", log)
	}
}
