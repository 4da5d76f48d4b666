package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// items is n lines of a request, each of another drug.
func items(n int) string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"drug_id":"D%d","quantity":"1"}`, i)
	}
	return "[" + strings.Join(lines, ",") + "]"
}

// Every bad request is refused by a word that helps, and leaves nothing behind.
func TestBadRequestsAreRefusedAndNamed(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	const (
		malformed = hisgatev1.Reason_MALFORMED_REQUEST
		field     = hisgatev1.Reason_INVALID_FIELD
		notFound  = hisgatev1.Reason_NOT_FOUND
		nowhere   = hisgatev1.Reason_NO_SUCH_METHOD
	)
	with := func(doc, old, new string) string {
		if !strings.Contains(doc, old) {
			t.Fatalf("%q is not in %s", old, doc)
		}
		return strings.Replace(doc, old, new, 1)
	}
	lock, order := lockJSON("BAD-1", "D1", 3, "60s"), orderJSON("E2E-BAD", "RESERVE", "D1", 3)
	for _, tc := range []struct {
		name, call, body string
		status           int
		reason           hisgatev1.Reason_Code
		says             string // the field, or what the message must have
	}{
		{"cut JSON", "POST /v1/locks", lock[:len(lock)-2], 400, malformed, ""},
		{"two JSON values", "POST /v1/locks", lock + "{}", 400, malformed, ""},
		{"no body", "POST /v1/locks", "", 400, hisgatev1.Reason_CODE_UNSPECIFIED, ""},
		{"not an object", "POST /v1/locks", `"RX1"`, 400, malformed, ""},
		{"not UTF-8", "POST /v1/locks", with(lock, "BAD-1", "BAD-\xff"), 400, malformed, "UTF-8"},
		{"unknown field", "POST /v1/locks", with(lock, `"ttl"`, `"ttll"`), 400, malformed, "ttll"},
		{"the same field twice", "POST /v1/locks", with(lock, `"ttl"`, `"ttl":"1s","ttl"`), 400, malformed, "ttl"},
		{"text for a number", "POST /v1/locks", with(lock, `"3"`, `"three"`), 400, malformed, "quantity"},
		{"a fraction", "POST /v1/locks", with(lock, `"3"`, `1.5`), 400, malformed, "quantity"},
		{"a number for text", "POST /v1/locks", with(lock, `"D1"`, `10041`), 400, malformed, "drug_id"},
		{"an object for a list", "POST /v1/locks", `{"order_no":"BAD-1","pharmacy_id":"HLWYF","items":{}}`, 400, malformed, "line 1:51"},
		{"quantity beyond int64", "POST /v1/locks", with(lock, `"3"`, `"9223372036854775808"`), 400, malformed, "quantity"},
		{"negative quantity", "POST /v1/locks", with(lock, `"3"`, `"-3"`), 400, field, "items[0].quantity"},
		{"quantity 0", "POST /v1/locks", with(lock, `"3"`, `"0"`), 400, field, "items[0].quantity"},
		{"huge quantity", "POST /v1/locks", with(lock, `"3"`, `"1000000000001"`), 400, field, "items[0].quantity"},
		{"no items", "POST /v1/locks", `{"order_no":"BAD-1","pharmacy_id":"HLWYF"}`, 400, field, "items"},
		{"101 items", "POST /v1/locks", `{"order_no":"BAD-1","pharmacy_id":"HLWYF","items":` + items(101) + `}`, 400, field, "items"},
		{"no order_no", "POST /v1/locks", with(lock, `"BAD-1"`, `""`), 400, field, "order_no"},
		{"order_no with a slash", "POST /v1/locks", with(lock, `BAD-1`, `BAD/1`), 400, field, "order_no"},
		{"long order_no", "POST /v1/locks", with(lock, `BAD-1`, strings.Repeat("A", 65)), 400, field, "order_no"},
		{"no pharmacy", "POST /v1/locks", with(lock, `HLWYF`, ``), 400, field, "pharmacy_id"},
		{"ttl without a unit", "POST /v1/locks", with(lock, `"60s"`, `"60"`), 400, malformed, "Duration"},
		{"ttl too long", "POST /v1/locks", with(lock, `"60s"`, `"7201s"`), 400, field, "ttl"},
		{"ttl negative", "POST /v1/locks", with(lock, `"60s"`, `"-60s"`), 400, field, "ttl"},
		{"long attribute", "POST /v1/locks", with(lock, `"ttl"`, `"attributes":{"rx_no":"`+strings.Repeat("A", 257)+`"},"ttl"`), 400, field, `attributes["rx_no"]`},
		{"drug unknown to the HIS", "POST /v1/locks", with(lock, `D1`, `D9`), 400, hisgatev1.Reason_UNKNOWN_DRUG, "D9"},
		{"not a whole box", "POST /v1/locks", lockJSON("BAD-1", "00010042", 25, "60s"), 400, hisgatev1.Reason_NOT_DIVISIBLE, "00010042"},
		{"unknown query", "GET /v1/stock/D1?pharmacy_id=HLWYF&fresh=1", "", 400, malformed, "fresh"},
		{"unknown enum in a query", "GET /v1/stock/D1?pharmacy_id=HLWYF&freshness=NOW", "", 400, malformed, "freshness"},
		{"stock without a pharmacy", "GET /v1/stock/D1", "", 400, field, "pharmacy_id"},
		{"a path that is not UTF-8", "GET /v1/stock/%ff?pharmacy_id=HLWYF", "", 400, malformed, ""},
		{"101 keys", "POST /v1/stock:batchGet", `{"keys":[` + strings.Repeat(`{"pharmacy_id":"HLWYF","drug_id":"D1"},`, 100) + `{"pharmacy_id":"HLWYF","drug_id":"D1"}]}`, 400, field, "keys"},
		{"unknown lock", "GET /v1/locks/NONE-1", "", 404, notFound, ""},
		{"confirm an unknown lock", "POST /v1/locks/NONE-1:confirm", `{}`, 404, notFound, ""},
		{"unknown order", "GET /v1/orders/NONE-001", "", 404, notFound, ""},
		{"cancel an unknown order", "POST /v1/orders/NONE-001:cancel", `{}`, 404, notFound, ""},
		{"refund an unknown order", "POST /v1/orders/NONE-001:refund", `{"reason":"x","request_id":"1"}`, 404, notFound, ""},
		{"unknown case", "GET /v1/cases/none", "", 404, notFound, ""},
		{"unknown path", "GET /v1/nothing", "", 404, nowhere, ""},
		{"unknown method", "DELETE /v1/locks/NONE-1", "", 405, nowhere, ""},
		{"body too large", "POST /v1/orders", with(order, `互联网医院药费`, strings.Repeat("药", 1<<20)), 413, malformed, ""},
		{"short order_no", "POST /v1/orders", with(order, `"E2E-BAD"`, `"RX001"`), 400, field, "order_no"},
		{"unknown strategy", "POST /v1/orders", with(order, `RESERVE`, `RESERVED`), 400, malformed, "strategy"},
		{"no payment", "POST /v1/orders", `{"order_no":"E2E-BAD","pharmacy_id":"HLWYF","items":[{"drug_id":"D1","quantity":"3"}]}`, 400, field, "payment"},
		{"no payer", "POST /v1/orders", with(order, `oUpF8uMuAJO_M2pxb1Q9zNjWeS6o`, ``), 400, field, "payment.payer_openid"},
		{"appid of another", "POST /v1/orders", with(order, `wx8888888888888888`, `wx9999999999999999`), 400, field, "payment.appid"},
		{"long description", "POST /v1/orders", with(order, `互联网医院药费`, strings.Repeat("药", 128)), 400, field, "payment.description"},
		{"amounts that do not add up", "POST /v1/orders", with(order, `"payment"`, `"amount":{"drugs_fen":"3750","other_fen":"1","total_fen":"3750"},"payment"`), 400, field, "amount.total_fen"},
		{"negative amount", "POST /v1/orders", with(order, `"payment"`, `"amount":{"drugs_fen":"-1"},"payment"`), 400, field, "amount.drugs_fen"},
		{"refund without a reason", "POST /v1/orders/NONE-001:refund", `{"request_id":"1"}`, 400, field, "reason"},
		{"negative refund", "POST /v1/orders/NONE-001:refund", `{"reason":"x","request_id":"1","amount_fen":"-1"}`, 400, field, "amount_fen"},
		{"order without a price", "POST /v1/orders", orderJSON("E2E-PRICELESS", "VERIFY", "00060021", 1), 400, hisgatev1.Reason_PRICE_UNKNOWN, ""},
		{"order of a stopped drug", "POST /v1/orders", orderJSON("E2E-STOPPED", "VERIFY", "00070001", 100), 400, hisgatev1.Reason_STOPPED, ""},
		{"list of an unknown status", "GET /v1/orders?status=LOST", "", 400, malformed, "status"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			method, path, _ := strings.Cut(tc.call, " ")
			got := h.call(method, path, tc.body)
			f := got.failure(t)
			if got.status != tc.status || tc.reason != 0 && f.reason() != tc.reason.String() {
				t.Errorf("answer %d %s, want %d %s: %s", got.status, f.reason(), tc.status, tc.reason, got.body)
			}
			named := strings.Contains(f.Message, tc.says)
			if tc.reason == field {
				named = slices.Contains(f.fields(), tc.says)
			}
			if !named {
				t.Errorf("%q is not named: %s", tc.says, got.body)
			}
			if got.header.Get("Content-Type") != "application/json" || f.Message == "" {
				t.Errorf("no error as the others: %s %s", got.header.Get("Content-Type"), got.body)
			}
		})
	}
	held := &hisgatev1.ListLocksResponse{}
	h.get("/v1/locks").into(t, held)
	if len(held.GetLocks()) != 0 || h.live("D1").GetAvailable() != 10 {
		t.Errorf("bad requests left something behind: %v, %v", held, h.live("D1"))
	}
	h.audit(h.api)
}

// Over gRPC the field rules are the same.
func TestBadRequestsOverGRPC(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	many := make([]*hisgatev1.LockItem, 101)
	for i := range many {
		many[i] = &hisgatev1.LockItem{DrugId: fmt.Sprint(i), Quantity: 1}
	}
	one := []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 1}}
	for field, r := range map[string]*hisgatev1.LockRequest{
		"items":             {OrderNo: "BAD-1", PharmacyId: "HLWYF", Items: many},
		"items[0].quantity": {OrderNo: "BAD-1", PharmacyId: "HLWYF", Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: -1}}},
		"order_no":          {OrderNo: "BAD 1", PharmacyId: "HLWYF", Items: one},
		"pharmacy_id":       {OrderNo: "BAD-1", Items: one},
		"ttl":               {OrderNo: "BAD-1", PharmacyId: "HLWYF", Items: one, Ttl: &durationpb.Duration{Seconds: 1 << 40}},
	} {
		_, err := h.locks.Lock(t.Context(), r)
		if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.Contains(s.Message(), field) {
			t.Errorf("bad %s: %v", field, err)
		}
	}
	_, err := h.locks.GetLock(t.Context(), &hisgatev1.GetLockRequest{OrderNo: "NONE-1"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("an unknown lock: %v", err)
	}
	if _, err := h.orders.GetOrder(t.Context(), &hisgatev1.GetOrderRequest{OrderNo: "NONE-001"}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown order: %v", err)
	}
}

func TestOversizedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/v1/locks", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Large", strings.Repeat("A", 64<<10))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answer %s", resp.Status)
	}
}
