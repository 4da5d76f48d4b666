package payflow_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// rewrite changes fields of a JSON record.
func rewrite(key string, change func(map[string]any)) func(*house) []engine.Write {
	return func(h *house) []engine.Write {
		data, err := h.disk.Get([]byte(key))
		if err != nil {
			h.Fatalf("%q: %v", key, err)
		}
		fields := map[string]any{}
		if err := json.Unmarshal(data, &fields); err != nil {
			h.Fatal(err)
		}
		change(fields)
		if data, err = json.Marshal(fields); err != nil {
			h.Fatal(err)
		}
		return []engine.Write{{Key: []byte(key), Value: data}}
	}
}

func write(key, value string) func(*house) []engine.Write {
	return func(*house) []engine.Write { return []engine.Write{{Key: []byte(key), Value: []byte(value)}} }
}

// erase deletes what begins so.
func erase(prefix string) func(*house) []engine.Write {
	return func(h *house) (writes []engine.Write) {
		if err := h.disk.Scan([]byte(prefix), nil, func(key, _ []byte) error {
			if !strings.HasPrefix(string(key), prefix) {
				return engine.ErrStop
			}
			writes = append(writes, engine.Write{Key: append([]byte{}, key...), Delete: true})
			return nil
		}); err != nil {
			h.Fatal(err)
		}
		if len(writes) == 0 {
			h.Fatalf("nothing begins with %q", prefix)
		}
		return writes
	}
}

// moved stores a record under another key.
func moved(from, to string) func(*house) []engine.Write {
	return func(h *house) []engine.Write {
		data, err := h.disk.Get([]byte(from))
		if err != nil {
			h.Fatalf("%q: %v", from, err)
		}
		return []engine.Write{{Key: []byte(to), Value: data}}
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	const waiting, done, back = "o/a/ORDER-WAIT", "o/e/ORDER-DONE", "o/e/ORDER-BACK"
	for name, tt := range map[string]struct {
		damage func(*house) []engine.Write
		want   string
	}{
		"garbled":                   {write(waiting, "{"), "unexpected end"},
		"a newer format":            {write(waiting, `{"v":99,"state":"PAID"}`), "newer"},
		"an unknown state":          {rewrite(waiting, func(f map[string]any) { f["state"] = "LOST" }), "not known"},
		"under another key":         {moved(done, "o/e/ORDER-ELSE"), `holds the order "ORDER-DONE"`},
		"in both places":            {moved(done, "o/a/ORDER-DONE"), "among the active and among the ended"},
		"an index lost":             {erase("o/t/"), "the index by time does not know it"},
		"an index of nothing":       {write("o/t/12345678ORDER-NONE", ""), "not there"},
		"a prescription lost":       {erase("o/x/RX-1"), "the index of prescriptions does not know it"},
		"a prescription of nothing": {write("o/x/RX-9\x00ORDER-DONE", ""), "does not serve it"},
		"paid too early":            {rewrite(waiting, func(f map[string]any) { f["payment"] = map[string]any{"transaction_id": "T"} }), "AWAITING_PAYMENT, and paid"},
		"fulfilled unpaid":          {rewrite(done, func(f map[string]any) { delete(f, "payment") }), "FULFILLED, and not paid"},
		"a prepay lost":             {rewrite(waiting, func(f map[string]any) { delete(f, "prepay") }), "without a stored prepay"},
		"a wrong sum":               {rewrite(waiting, func(f map[string]any) { f["amount"] = map[string]any{"drugs": 1, "total": 7} }), "make 7"},
		"a refund not booked":       {rewrite(back, func(f map[string]any) { f["refunded_fen"] = 1 }), "1 are booked"},
		"refunded too much": {rewrite(back, func(f map[string]any) {
			f["refunds"].([]any)[0].(map[string]any)["fen"] = 5000
		}), "refunds of 5000 fen for 1000 paid"},
		"a refund of another": {rewrite(back, func(f map[string]any) {
			f["refunds"].([]any)[0].(map[string]any)["out_refund_no"] = "X-R1"
		}), "has the number X-R1"},
		"a history of another state": {rewrite(done, func(f map[string]any) { f["history"] = []any{map[string]any{"event": "X", "to": "PAID"}} }), "its history ends with PAID"},
		"a case lost":                {erase("o/c/ORDER-CASE"), "is missing"},
		"a case of nobody":           {rewrite("o/a/ORDER-CASE", func(f map[string]any) { delete(f, "open_cases") }), "its order does not know it"},
		"a case without an owner":    {rewrite("o/c/ORDER-CASE.1", func(f map[string]any) { f["owner"] = "" }), "without an owner"},
		"a closed case among open":   {rewrite("o/c/ORDER-CASE.1", func(f map[string]any) { f["open"] = false }), "among the open cases"},
		"a closed case of nothing":   {write("o/u/12345678NONE.1", ""), "not there"},
		"a garbled letter":           {write("o/i/12345678", "{}"), "no letter"},
		"a garbled brake":            {write("o/b", "["), "unexpected end"},
		"something else":             {write("o/z/1", ""), "does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := soundHouse(t)
				h.verified()
				h.close() // the workers are not to meet the damage
				if err := h.disk.Apply(tt.damage(h)); err != nil {
					t.Fatal(err)
				}
				var b strings.Builder
				if _, err := payflow.VerifyRecords(t.Context(), h.disk, func(f payflow.Finding) { b.WriteString(f.Key + " " + f.What + "\n") }); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(b.String(), tt.want) {
					t.Errorf("found %q, want %q", b.String(), tt.want)
				}
			})
		})
	}
}

// soundHouse has an order of each kind.
func soundHouse(t *testing.T) *house {
	h := &house{T: t, disk: memengine.New(memengine.Options{}), locks: newLocks(time.Now), pay: newPay(time.Now), set: payflow.Default()}
	h.set.MchID = "M1"
	h.locks.sell("A", -10) // a delivery
	h.open()
	h.paid("ORDER-DONE", payflow.Reserve, func(r *payflow.CreateRequest) { r.Attributes = map[string]string{"rx_no": "RX-1"} })
	h.is("ORDER-DONE", payflow.Fulfilled)
	h.paid("ORDER-BACK", payflow.Reserve)
	if _, err := h.svc.Refund(t.Context(), payflow.RefundRequest{
		OrderNo: "ORDER-BACK", Reason: "退货", Fulfilled: true, Actor: "Li", RequestID: "r1",
	}); err != nil {
		t.Fatal(err)
	}
	h.wait(time.Second)
	h.pay.payOutAll()
	h.wait(time.Hour)
	h.is("ORDER-BACK", payflow.Refunded)
	h.create("ORDER-CASE", payflow.Reserve)
	tx := h.pay.pay("ORDER-CASE")
	tx.TotalFen++
	h.callback(tx)
	h.onlyCase(payflow.CaseWrongPayment)
	h.create("ORDER-WAIT", payflow.Reserve)
	return h
}

// What cannot be read is an error, not a finding.
func TestVerifyOfADiskThatFails(t *testing.T) {
	disk := memengine.New(memengine.Options{})
	failure := errors.New("unreadable")
	_, err := payflow.VerifyRecords(t.Context(), broken{disk, failure}, func(payflow.Finding) {})
	if !errors.Is(err, failure) {
		t.Errorf("a disk that fails: %v", err)
	}
}

// broken is an engine whose scans fail.
type broken struct {
	engine.Reader
	err error
}

func (b broken) Scan(_, _ []byte, _ func(key, value []byte) error) error { return b.err }
