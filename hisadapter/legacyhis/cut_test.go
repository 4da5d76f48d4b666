package legacyhis_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
)

// tape is a network that keeps the last answer, and can play it again instead
// of asking, as far as to a byte.
type tape struct {
	status int
	header http.Header
	body   []byte
	play   bool
	upTo   int
}

func (n *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.play {
		if r.Body != nil {
			r.Body.Close()
		}
		return n.response(r, n.body[:n.upTo]), nil
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	n.status, n.header = resp.StatusCode, resp.Header
	if n.body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	return n.response(r, n.body), nil
}

func (n *tape) response(r *http.Request, body []byte) *http.Response {
	return &http.Response{
		StatusCode: n.status, Header: n.header, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// An answer that ends early, and properly as far as HTTP can tell, is never
// taken for what it would have been, wherever it ends.
func TestCutAnswersAreUnknown(t *testing.T) {
	for name, d := range dialects(t) {
		t.Run(name, func(t *testing.T) {
			network := &tape{}
			w, driver := d.openOver(t, network)
			key := hisadapter.Key{PharmacyID: w.Has.PharmacyID, DrugID: w.Has.Drugs[0]}
			w.SetStock(t, key, 12345)
			lines := []hisadapter.Line{{DrugID: key.DrugID, Quantity: 3}}
			var lock string
			calls := []struct {
				name string
				make func(context.Context) error
			}{
				{"QueryStock", func(ctx context.Context) error {
					_, err := driver.QueryStock(ctx, []hisadapter.Key{key})
					return err
				}},
				{"Freeze", func(ctx context.Context) error {
					f, err := driver.Freeze(ctx, hisadapter.FreezeRequest{HisNo: "RX1", PharmacyID: key.PharmacyID, Lines: lines})
					if err == nil && lock == "" {
						lock = f.LockID
					}
					return err
				}},
				{"FindOrder", func(ctx context.Context) error {
					_, err := driver.FindOrder(ctx, "RX1")
					return err
				}},
				{"PlaceOrder", func(ctx context.Context) error {
					_, err := driver.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
						HisNo: "RX1", LockID: lock, PharmacyID: key.PharmacyID, Lines: lines, PaidAt: w.Now(),
					})
					return err
				}},
			}
			for _, call := range calls {
				if call.name == "Freeze" && !d.caps.Freeze {
					continue
				}
				network.play = false
				if err := call.make(t.Context()); err != nil {
					t.Fatalf("%s: %v", call.name, err)
				}
				network.play = true
				whole := len(bytes.TrimRight(network.body, "\r\n"))
				for network.upTo = range whole {
					// Everywhere near the end, and at a hundred places before.
					if left := whole - network.upTo; left > 60 && network.upTo%(1+whole/100) != 0 {
						continue
					}
					if got := hisadapter.OutcomeOf(call.make(t.Context())); got != hisadapter.Unknown {
						t.Errorf("%s: of %q the first %d bytes ended %v", call.name, network.body, network.upTo, got)
					}
				}
			}
		})
	}
}
