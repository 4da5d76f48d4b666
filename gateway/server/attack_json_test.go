package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// shortAnswer is how long a refusal may be, whatever was sent.
const shortAnswer = 8 << 10

// JSON that is made to hurt is refused, in few words and few lines of the log, and
// the next request is served.
func TestJSONBombsAreRefusedInFewWords(t *testing.T) {
	w := newWorld(t, newFakePay())
	const room = 1<<20 - 200
	lock := func(quantity string) string {
		return `{"order_no":"R1","pharmacy_id":"HLWYF","items":[{"drug_id":"00010041","quantity":` + quantity + `}]}`
	}
	for name, body := range map[string]string{
		"deep lists":               strings.Repeat("[", room),
		"deep objects":             strings.Repeat(`{"items":`, room/9),
		"a deep unknown field":     `{"x":` + strings.Repeat("[", room/2) + strings.Repeat("]", room/2-9) + `}`,
		"deep where text belongs":  `{"order_no":` + strings.Repeat("[", room),
		"a number of a million":    lock(strings.Repeat("9", room)),
		"a text of a million":      lock(`"` + strings.Repeat("9", room) + `"`),
		"a huge exponent":          lock("1e999999999"),
		"a huge negative exponent": lock("1e-999999999"),
		"a long exponent":          lock("1e" + strings.Repeat("9", room)),
		"not a number":             lock("NaN"),
		"a long name":              `{"` + strings.Repeat("x", room) + `":1}`,
		"a long order_no":          `{"order_no":"` + strings.Repeat("x", room) + `"}`,
		"escapes":                  `{"order_no":"` + strings.Repeat(`\u0000`, room/6) + `"}`,
		"half a surrogate":         `{"order_no":"\ud800"}`,
		"a long duration":          `{"order_no":"R1","ttl":"` + strings.Repeat("9", room) + `s"}`,
		"a long enum":              `{"order_no":"RX000001","strategy":"` + strings.Repeat("R", room) + `"}`,
		"many bad items":           `{"order_no":"R1","pharmacy_id":"HLWYF","items":[` + strings.Repeat(`{},`, room/3) + `{}]}`,
		"many bad attributes":      `{"order_no":"R1","pharmacy_id":"HLWYF","attributes":{` + manyKeys(40_000) + `}}`,
		"the same name again":      `{"order_no":"R1","order_no":"R2"}`,
		"the same name, otherwise": `{"order_no":"R1","orderNo":"R2"}`,
		"the same key again":       `{"order_no":"R1","attributes":{"a":"1","a":"2"}}`,
		"nothing but spaces":       strings.Repeat(" ", room) + "x",
		"a byte order mark":        "\ufeff" + lock(`"1"`),
	} {
		t.Run(name, func(t *testing.T) {
			logged := len(w.log.String())
			path := "/v1/locks"
			if strings.Contains(name, "enum") {
				path = "/v1/orders"
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.rest.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := w.rest.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			said, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusBadRequest || len(said) > shortAnswer {
				t.Errorf("answered %s with %d bytes: %.300s (%v)", resp.Status, len(said), said, err)
			}
			if n := len(w.log.String()) - logged; n > shortAnswer {
				t.Errorf("%d bytes were logged", n)
			}
		})
	}
	if out := w.mustCall(t, "GET", "/v1/locks", ""); len(out["locks"].([]any)) != 0 {
		t.Errorf("something was locked: %v", out)
	}
	w.mustCall(t, "POST", "/v1/locks", lockBody("R1", "00010041", 1))
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":"",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// The same over gRPC, where a long refusal would have to fit into a header.
func TestMessagesFullOfFaultsAreRefusedInFewWords(t *testing.T) {
	w := newWorld(t, newFakePay())
	many := make([]*hisgatev1.LockItem, 100_000)
	for i := range many {
		many[i] = &hisgatev1.LockItem{}
	}
	for name, r := range map[string]*hisgatev1.LockRequest{
		"items":       {OrderNo: "R1", PharmacyId: pharmacy, Items: many},
		"a long name": {OrderNo: strings.Repeat("x", 1<<20-100), PharmacyId: pharmacy},
		"a long drug": {OrderNo: "R1", PharmacyId: pharmacy, Items: []*hisgatev1.LockItem{{DrugId: strings.Repeat("x", 1<<20-100), Quantity: 1}}},
		"a long key":  {OrderNo: "R1", PharmacyId: pharmacy, Items: many[:1], Attributes: map[string]string{strings.Repeat("x", 1<<20-100): "y"}},
	} {
		_, err := hisgatev1.NewLockServiceClient(w.conn).Lock(t.Context(), r)
		s := status.Convert(err)
		if s.Code() != codes.InvalidArgument || proto.Size(s.Proto()) > shortAnswer {
			t.Errorf("%s: %s with %d bytes: %.300s", name, s.Code(), proto.Size(s.Proto()), s.Message())
		}
	}
}
