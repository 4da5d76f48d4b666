package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// TestTheFourLogPointsHaveTheirFields: what an operator greps for when a patient
// asks: stock held, callback, confirm, compensation.
func TestTheFourLogPointsHaveTheirFields(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 10)
		h.create("E2E-LOG-PAID", "RESERVE", "D1", 3)
		h.pay("E2E-LOG-PAID")
		h.await("E2E-LOG-PAID", hisgatev1.Order_FULFILLED)
		h.create("E2E-LOG-LEFT", "RESERVE", "D1", 2)
		h.post("/v1/orders/E2E-LOG-LEFT:cancel", `{}`).order(t)
		h.await("E2E-LOG-LEFT", hisgatev1.Order_CLOSED)
		h.post("/v1/orders/E2E-LOG-PAID:refund", `{"reason":"患者退药","request_id":"r1","fulfilled":true}`).order(t)
		h.await("E2E-LOG-PAID", hisgatev1.Order_REFUNDED)
		for _, tt := range []struct {
			msg    string
			is     map[string]any // and no other line of that kind is asked for
			fields []string
		}{
			{"stock held", map[string]any{"order_no": "E2E-LOG-PAID", "drug_id": "D1", "quantity": 3.0, "his_no": "E2E-LOG-PAID"}, []string{"his_lock_id", "degraded"}},
			{"callback", map[string]any{"order_no": "E2E-LOG-PAID", "result": "accepted"}, []string{"time"}},
			{"confirm", map[string]any{"order_no": "E2E-LOG-PAID", "success": true, "status": "CONFIRMED"}, []string{"outcome", "his_code", "his_message", "his_order_no", "his_no"}},
			{"compensation", map[string]any{"order_no": "E2E-LOG-LEFT", "kind": "release", "result": "done"}, nil},
			{"compensation", map[string]any{"order_no": "E2E-LOG-PAID", "kind": "refund", "result": "done"}, []string{"out_refund_no"}},
			{"his call", map[string]any{"order_no": "E2E-LOG-PAID", "op": "PlaceOrder", "outcome": "done"}, []string{"his_no", "his_code", "his_message", "duration_ms"}},
		} {
			eventually(t, "the log", func() error { return h.log.line(tt.msg, tt.is, tt.fields) })
		}
	})
}

// line looks for a line with these values that has these fields, too.
func (b *logBuffer) line(msg string, is map[string]any, fields []string) error {
	for text := range strings.SplitSeq(b.String(), "\n") {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) != nil || line["msg"] != msg {
			continue
		}
		fits := true
		for name, value := range is {
			fits = fits && line[name] == value
		}
		if !fits {
			continue
		}
		for _, name := range fields {
			if _, ok := line[name]; !ok {
				return fmt.Errorf("%s has no %s: %s", msg, name, text)
			}
		}
		return nil
	}
	return fmt.Errorf("no line %q with %v", msg, is)
}

// The level of a running process follows the configuration at SIGHUP.
func TestTheLevelOfTheLogChangesAtRunTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.cfg.Log.Level = "info"
	w.shelve("D1", 10)
	p := w.run(command(t, quickName, "-c", w.writeConfig()))
	a := api{t: t, base: p.base}
	a.get("/v1/stock/D1?pharmacy_id=HLWYF")
	w.cfg.Log.Level = "debug"
	w.writeConfig()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	const again = "the configuration was read again"
	eventually(t, "the configuration", func() error {
		before, _, ok := strings.Cut(p.log.String(), again)
		if !ok {
			return fmt.Errorf("not read again yet")
		}
		if strings.Contains(before, `"level":"DEBUG"`) {
			t.Fatal("lines of level debug at level info")
		}
		return nil
	})
	a.get("/v1/stock/D1?pharmacy_id=HLWYF")
	eventually(t, "a read", func() error {
		return p.log.line("call", map[string]any{"level": "DEBUG", "method": hisgatev1.StockService_GetStock_FullMethodName}, []string{"request_id", "duration_ms"})
	})
}
