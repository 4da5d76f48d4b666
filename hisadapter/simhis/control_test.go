package simhis_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/simhis/simhand"
)

// control makes a control call and holds it to its answer.
func control(t *testing.T, method, url, body, want string) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body)))
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	said := must[[]byte](t)(io.ReadAll(resp.Body))
	var got, wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(said, &got); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s", method, url, resp.Status, said)
	}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Errorf("%s %s: %s", method, url, d)
	}
}

func TestControlDoesWhatTheMethodsDo(t *testing.T) {
	c := simhand.NewClock()
	h := open(t, simhis.Config{Capabilities: able(), Now: c.Now, Catalogue: simhis.Catalogue{
		Drugs: []simhis.Drug{{ID: drugA, Facts: hisadapter.Facts{Name: "甲硝唑片", Unit: "片"}}},
		Stock: []simhis.Stock{{Key: keyA, OnHand: 1000}},
	}})
	d, url := serve(t, h)
	ctx := t.Context()
	post := func(path, body, want string) {
		t.Helper()
		control(t, "POST", url+"/sim/"+path, body, want)
	}
	control(t, "GET", url+"/sim/capabilities", "", `{
		"freeze": true, "freeze_ttl": "30m0s", "net_figure": true, "deduct_needs_freeze": false, "find": true, "cancel": true, "list": true,
		"idempotent_by_his_no": true, "atomic_items": true, "batch_size": 10, "his_no_max": 32, "figure_lag": "0s"}`)
	post("drug", `{"drug_id":"new","name":"新药","price":"1.005"}`, `{}`)
	post("stock", `{"pharmacy_id":"HLWYF","drug_id":"new","on_hand":10}`, `{}`)
	post("sell", `{"pharmacy_id":"HLWYF","drug_id":"new","quantity":4}`, `{"sold":4}`)
	post("programs", `{"pharmacy_id":"HLWYF","drug_id":"new","quantity":1,"every":"1s"}`, `{"id":1}`)
	c.Advance(2 * time.Second)
	post("programs/stop", `{"id":1}`, `{}`)
	c.Advance(2 * time.Second)

	post("faults", `{"op":"Freeze","what":"refuse","kind":"stopped","times":1,"message":"停用"}`, `{"id":1}`)
	_, err := d.Freeze(ctx, freezing("R1", line(drugA, 1)))
	wantKind(t, err, hisadapter.Stopped)
	post("faults", `{"what":"busy"}`, `{"id":2}`)
	post("faults/disarm", `{"id":2}`, `{}`)
	post("faults", `{"what":"busy"}`, `{"id":3}`)
	control(t, "DELETE", url+"/sim/faults", "", `{}`)
	must[hisadapter.Freeze](t)(d.Freeze(ctx, freezing("R1", line(drugA, 1))))
	post("lapse", `{"his_no":"R1"}`, `{"lapsed":true}`)
	must[hisadapter.HISOrder](t)(d.PlaceOrder(ctx, placing("R2", line(drugA, 1))))
	post("pace", `{"limit":3}`, `{}`)
	control(t, "GET", url+"/sim/books", "", `{
		"stock": [
			{"pharmacy_id": "HLWYF", "drug_id": "00010041", "initial": 1000, "adjusted": 0, "counter_sold": 0,
				"deducted": 1, "returned": 0, "on_hand": 999, "frozen": 0, "lowest": 999},
			{"pharmacy_id": "HLWYF", "drug_id": "new", "initial": 10, "adjusted": 0, "counter_sold": 6,
				"deducted": 0, "returned": 0, "on_hand": 4, "frozen": 0, "lowest": 4}],
		"orders": [
			{"his_no": "R1", "state": "lapsed", "applications": 0, "cancellations": 0, "orders": [], "freezes": [
				{"lock_id": "DJ20261122000001", "pharmacy_id": "HLWYF", "lines": [{"drug_id": "00010041", "quantity": 1}],
					"at": "2026-11-22T09:00:04+08:00", "expires": "2026-11-22T09:30:04+08:00", "state": "lapsed"}]},
			{"his_no": "R2", "state": "deducted", "applications": 1, "cancellations": 0, "freezes": [], "orders": [
				{"order_no": "CF20261122000002", "pharmacy_id": "HLWYF", "lines": [{"drug_id": "00010041", "quantity": 1}],
					"drugs_fen": 0, "at": "2026-11-22T09:00:04+08:00", "canceled": false}]}]}`)
	counters := must[[]byte](t)(json.Marshal(h.Counters()))
	control(t, "GET", url+"/sim/counters", "", string(counters))
}

// A HIS whose door is shut refuses connections, so that nothing can have been
// sent; one that is down behind an open door can only cut them.
func TestDown(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: able()})
	door := must[*simhis.Door](t)(simhis.Serve(h.HISHandler()))
	d := simhis.Dial(door.URL(), nil, able())
	bare, url := serve(t, h)
	try := func(d hisadapter.Driver, no string) error {
		_, err := d.PlaceOrder(t.Context(), placing(no, line(drugA, 1)))
		return err
	}
	wantOutcome(t, try(d, "R1"), hisadapter.Done)
	for range 2 {
		if err := door.Close(); err != nil {
			t.Fatal(err)
		}
		control(t, "POST", url+"/sim/down", `{"down":true}`, `{}`)
		wantOutcome(t, try(d, "R2"), hisadapter.NotSent)
		wantOutcome(t, try(h.Driver(), "R2"), hisadapter.NotSent)
		wantOutcome(t, try(bare, "R2"), hisadapter.Unknown)
		control(t, "POST", url+"/sim/down", `{"down":false}`, `{}`)
		if err := door.Open(); err != nil {
			t.Fatal(err)
		}
		wantState(t, d, "R2", hisadapter.None)
	}
	wantOutcome(t, try(d, "R3"), hisadapter.Done)
	if err := door.Close(); err != nil {
		t.Error(err)
	}
}
