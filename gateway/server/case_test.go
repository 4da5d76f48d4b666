package server_test

import (
	"fmt"
	"testing"
)

func TestCasesOfLocks(t *testing.T) {
	w := newWorld(t, newFakePay())
	for _, no := range []string{"R1", "R2", "R3"} {
		lockWithCase(t, w, no)
	}
	var seen []string
	token := ""
	for range 5 {
		page := w.mustCall(t, "GET", "/v1/cases?page_size=2&page_token="+token, "")
		for _, c := range page["cases"].([]any) {
			seen = append(seen, c.(map[string]any)["case_id"].(string))
		}
		if token = page["next_page_token"].(string); token == "" {
			break
		}
	}
	if fmt.Sprint(seen) != "[lock:R1:1 lock:R2:1 lock:R3:1]" {
		t.Fatalf("cases %v", seen)
	}
	c := w.mustCall(t, "GET", "/v1/cases/lock:R1:1", "")
	if c["status"] != "OPEN" || c["owner"] != "duty-pharmacist" || c["reason"] != "LOCK_DOUBT" || c["severity"] != "P0" ||
		c["deadline"] == nil || fmt.Sprint(c["allowed_verbs"]) != "[RESOLVE_LOCK]" {
		t.Errorf("case %v", c)
	}
	etag := c["etag"].(string)
	resolve := func(id, etag, outcome, hisNo string) (int, string, map[string]any) {
		code, _, out := w.call(t, "POST", "/v1/cases/"+id+":resolveLock",
			fmt.Sprintf(`{"etag":%q,"request_id":"q","outcome":%q,"his_order_no":%q}`, etag, outcome, hisNo))
		return code, reasonIn(out), out
	}
	for _, tt := range []struct {
		name, id, etag, outcome, hisNo string
		code                           int
		reason                         string
	}{
		{"not said what", "lock:R1:1", etag, "OUTCOME_UNSPECIFIED", "", 400, "INVALID_FIELD"},
		{"seen an older one", "lock:R1:1", "0", "NOT_APPLIED", "", 409, "ETAG_MISMATCH"},
		{"deducted under no number", "lock:R1:1", etag, "APPLIED", "", 400, "INVALID_FIELD"},
		{"no such attempt", "lock:R1:2", etag, "NOT_APPLIED", "", 404, "NOT_FOUND"},
		{"no such lock", "lock:RX:1", etag, "NOT_APPLIED", "", 404, "NOT_FOUND"},
		{"no number at all", "lock:", etag, "NOT_APPLIED", "", 404, "NOT_FOUND"},
		{"deducted", "lock:R1:1", etag, "APPLIED", "HIS-1", 200, ""},
		{"repeated", "lock:R1:1", etag, "APPLIED", "HIS-1", 200, ""},
		{"another word, too late", "lock:R1:1", etag, "NOT_APPLIED", "", 400, "VERB_NOT_ALLOWED"},
	} {
		if code, reason, out := resolve(tt.id, tt.etag, tt.outcome, tt.hisNo); code != tt.code || reason != tt.reason {
			t.Errorf("%s: %d %v, want %d %s", tt.name, code, out, tt.code, tt.reason)
		}
	}
	if c := w.mustCall(t, "GET", "/v1/cases/lock:R1:1", ""); c["status"] != "CLOSED" || c["outcome"] != "APPLIED" {
		t.Errorf("settled case %v", c)
	}
	// It is listed where settled ones are wanted, as what it was.
	for _, query := range []string{"?include_closed=true", "?include_closed=true&order_no=R1", "?include_closed=true&page_size=1"} {
		var settled map[string]any
		for token, pages := "", 0; pages == 0 || token != ""; pages++ {
			page := w.mustCall(t, "GET", "/v1/cases"+query+"&page_token="+token, "")
			for _, x := range page["cases"].([]any) {
				if c := x.(map[string]any); c["case_id"] == "lock:R1:1" {
					settled = c
				}
			}
			token = page["next_page_token"].(string)
		}
		if settled == nil || settled["status"] != "CLOSED" || settled["severity"] != "P0" || settled["close_time"] == nil {
			t.Errorf("%s: the settled case is %v", query, settled)
		}
	}
	if open := w.mustCall(t, "GET", "/v1/cases?order_no=R1", "")["cases"].([]any); len(open) != 0 {
		t.Errorf("open cases of R1: %v", open)
	}
	if l := w.mustCall(t, "GET", "/v1/locks/R1", ""); l["status"] != "CONFIRMED" || l["his_order_no"] != "HIS-1" {
		t.Errorf("lock %v", l)
	}
	if code, _, out := w.call(t, "POST", "/v1/cases/lock:R2:1:claim", `{"etag":"1","request_id":"q"}`); code != 400 || reasonIn(out) != "VERB_NOT_ALLOWED" {
		t.Errorf("claim: %d %v", code, out)
	}
	if left := w.mustCall(t, "GET", "/v1/cases?order_no=R2", "")["cases"].([]any); len(left) != 1 {
		t.Errorf("cases of R2: %v", left)
	}
	if left := w.mustCall(t, "GET", "/v1/cases?owner=nobody", "")["cases"].([]any); len(left) != 0 {
		t.Errorf("cases of nobody: %v", left)
	}
}

func TestPaymentDisabled(t *testing.T) {
	w := newWorld(t, nil)
	lockWithCase(t, w, "R1")
	for _, tt := range []struct {
		method, path, body string
		code               int
		reason             string
	}{
		{"POST", "/v1/orders", orderBody("RX000001", "RESERVE"), 400, "PAYMENT_DISABLED"},
		{"GET", "/v1/orders/RX000001", "", 400, "PAYMENT_DISABLED"},
		{"GET", "/v1/proof", "", 400, "PAYMENT_DISABLED"},
		{"POST", "/v1/orders:check", `{"pharmacy_id":"HLWYF","items":[{"drug_id":"00010041","quantity":"1"}]}`, 200, ""},
		{"POST", "/v1/orders:check", `{"order_no":"R1"}`, 200, ""},
		{"GET", "/v1/orders/R1:explain", "", 200, ""},
		{"GET", "/v1/cases", "", 200, ""},
		{"GET", "/v1/cases/RX000001.1", "", 404, "NOT_FOUND"},
		{"POST", "/wechat/v1/payment", "", 400, ""},
	} {
		if code, _, out := w.call(t, tt.method, tt.path, tt.body); code != tt.code || reasonIn(out) != tt.reason {
			t.Errorf("%s %s: %d %v, want %d %s", tt.method, tt.path, code, out, tt.code, tt.reason)
		}
	}
}

// TestCasesOfOrders goes from money for an unknown order to a person's evidence.
func TestCasesOfOrders(t *testing.T) {
	w := newWorld(t, newFakePay())
	lockWithCase(t, w, "R1")
	if code, _, out := w.call(t, "POST", "/wechat/v1/payment", "good", signed()...); code != 200 {
		t.Fatalf("callback: %d %v", code, out)
	}
	var c map[string]any
	for c == nil { // the worker opens it
		for _, x := range w.mustCall(t, "GET", "/v1/cases?reason=UNKNOWN_ORDER", "")["cases"].([]any) {
			c = x.(map[string]any)
		}
	}
	if all := w.mustCall(t, "GET", "/v1/cases", "")["cases"].([]any); len(all) != 2 {
		t.Errorf("%d cases, want that of the lock and that of the money", len(all))
	}
	path := "/v1/cases/" + c["case_id"].(string)
	claimed := w.mustCall(t, "POST", path+":claim", fmt.Sprintf(`{"etag":%q,"request_id":"q1"}`, c["etag"]))
	if claimed["owner"] != "local" || claimed["next"] == nil {
		t.Errorf("claimed %v", claimed)
	}
	if code, _, out := w.call(t, "POST", path+":refund", fmt.Sprintf(`{"etag":%q,"request_id":"q2"}`, claimed["etag"])); reasonIn(out) != "VERB_NOT_ALLOWED" {
		t.Errorf("refund: %d %v", code, out)
	}
	body := fmt.Sprintf(`{"etag":%q,"request_id":"q3","evidence":"receipt 1"}`, claimed["etag"])
	for range 2 { // a repeat answers the same
		if done := w.mustCall(t, "POST", path+":markRefunded", body); done["status"] != "CLOSED" {
			t.Errorf("marked %v", done)
		}
	}
	if code, _, out := w.call(t, "POST", path+":resolveLock", `{"etag":"1","request_id":"q","outcome":"APPLIED"}`); reasonIn(out) != "VERB_NOT_ALLOWED" {
		t.Errorf("resolve: %d %v", code, out)
	}
}
