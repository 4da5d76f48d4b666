package legacyhis_test

import (
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// [E3] Whatever a caller writes into an order arrives at the HIS as it was,
// through every layer of every dialect.
func TestValuesArriveAsTheyAre(t *testing.T) {
	const patient, rx = `P<1>&amp;"']]>\u0041\{{ his_no }}%7C+= 䓖𠮷`, "<![CDATA[]]>\t&lt;'\"\\"
	for name, d := range dialects(t) {
		t.Run(name, func(t *testing.T) {
			w, driver := d.open(t)
			key := hisadapter.Key{PharmacyID: w.Has.PharmacyID, DrugID: w.Has.Drugs[0]}
			w.SetStock(t, key, 100)
			lines := []hisadapter.Line{{DrugID: key.DrugID, Quantity: 3, LineFen: 10}}
			attributes := map[string]string{"patient_id": patient, "rx_no": rx}
			var lock string
			if d.caps.DeductNeedsFreeze {
				f, err := driver.Freeze(t.Context(), hisadapter.FreezeRequest{
					HisNo: "RX1", PharmacyID: key.PharmacyID, Lines: lines, Attributes: attributes,
				})
				if err != nil {
					t.Fatal(err)
				}
				lock = f.LockID
			}
			own, _ := w.HIS.DrugsFen(lines)
			_, err := driver.PlaceOrder(t.Context(), hisadapter.PlaceOrderRequest{
				HisNo: "RX1", LockID: lock, PharmacyID: key.PharmacyID, Lines: lines, DrugsFen: own, TransactionID: "4200<>&", PaidAt: w.Now(),
				Attributes: attributes,
			})
			if err != nil {
				t.Fatal(err)
			}
			o, _ := w.HIS.Books().Order("RX1")
			if o.Applications() != 1 {
				t.Fatalf("the books say %+v", o)
			}
			p := o.Orders[0]
			if p.Attributes["patient_id"] != patient || p.Attributes["rx_no"] != rx || p.TransactionID != "4200<>&" || p.DrugsFen != own {
				t.Errorf("arrived: %q, %q, %q, %d fen", p.Attributes["patient_id"], p.Attributes["rx_no"], p.TransactionID, p.DrugsFen)
			}
		})
	}
}

// A value that holds a separator would shift every field after it.
func TestSeparatorsInValuesAreRefusedUnsent(t *testing.T) {
	d := dialects(t)["pipe"]
	w, driver := d.open(t)
	key := hisadapter.Key{PharmacyID: w.Has.PharmacyID, DrugID: w.Has.Drugs[0]}
	for _, patient := range []string{"P|1", "P^1", "P,1", "P\n1"} {
		_, err := driver.Freeze(t.Context(), hisadapter.FreezeRequest{
			HisNo: "RX1", PharmacyID: key.PharmacyID, Lines: []hisadapter.Line{{DrugID: key.DrugID, Quantity: 1}},
			Attributes: map[string]string{"patient_id": patient},
		})
		if got := hisadapter.OutcomeOf(err); got == hisadapter.Done || got == hisadapter.Unknown {
			t.Errorf("%q ended %v: %v", patient, got, err)
		}
	}
	if n := w.handler.Counters(); n.Calls["dj"] != 0 || n.BadRequests != 0 {
		t.Errorf("something was sent: %+v", n)
	}
}

// Many calls that find the token run out share one login, and each is done.
func TestLoginIsShared(t *testing.T) {
	w, driver := dialects(t)["soap"].open(t)
	soap, ok := w.handler.(*legacyhis.SOAP)
	if !ok {
		t.Fatalf("%T", w.handler)
	}
	keys := []hisadapter.Key{{PharmacyID: w.Has.PharmacyID, DrugID: w.Has.Drugs[0]}}
	for round := range 3 {
		soap.EndToken()
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := driver.QueryStock(t.Context(), keys); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := soap.Counters(); n.Logins != round+1 {
			t.Fatalf("%d logins after %d tokens", n.Logins, round+1)
		}
	}
}

// A login that is refused is a setting that is wrong: no order is sent, and
// nobody is refunded because of it.
func TestRefusedLoginIsMisconfigured(t *testing.T) {
	d := dialects(t)["soap"]
	d.serve = func(h *simhis.HIS) handler {
		return legacyhis.NewSOAP(h, legacyhis.SOAPConfig{Key: "9f<&8K", User: "hlw", Password: "another"})
	}
	w, driver := d.open(t)
	_, err := driver.FindOrder(t.Context(), "RX1")
	if got := hisadapter.OutcomeOf(err); got != hisadapter.Misconfigured {
		t.Errorf("%v: %v", got, err)
	}
	if n := w.handler.Counters(); n.BadLogins != 1 || len(n.Calls) != 0 {
		t.Errorf("the HIS saw %+v", n)
	}
}

// firstCall lets something else answer the first call.
type firstCall struct {
	handler
	once  sync.Once
	first http.HandlerFunc
}

func (f *firstCall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := f.handler.ServeHTTP
	f.once.Do(func() { answer = f.first })
	answer(w, r)
}

// Whatever becomes of a login, the order that waited for it was not sent, and
// may be sent again.
func TestLostLoginSendsNothing(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{
		"page":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>login</html>") },
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"cut":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			d := dialects(t)["columns"]
			serve := d.serve
			d.serve = func(h *simhis.HIS) handler { return &firstCall{handler: serve(h), first: first} }
			w, driver := d.open(t)
			q := hisadapter.FreezeRequest{
				HisNo: "RX1", PharmacyID: w.Has.PharmacyID, Lines: []hisadapter.Line{{DrugID: w.Has.Drugs[0], Quantity: 3}},
			}
			_, err := driver.Freeze(t.Context(), q)
			if got := hisadapter.OutcomeOf(err); got != hisadapter.NotSent {
				t.Errorf("%v: %v", got, err)
			}
			if n := w.handler.Counters(); len(n.Calls) != 0 {
				t.Errorf("the HIS saw %+v", n)
			}
			if _, err := driver.Freeze(t.Context(), q); err != nil {
				t.Error(err)
			}
		})
	}
}

// A 404 says that there is no such order only in the HIS's own words.
func TestSomebodyElses404IsUnknown(t *testing.T) {
	for _, words := range []string{"404 page not found\n", `{"error":"ROUTE_NOT_FOUND"}`, `{}`, ""} {
		d := dialects(t)["rest"]
		serve := d.serve
		d.serve = func(h *simhis.HIS) handler {
			return &firstCall{handler: serve(h), first: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				io.WriteString(w, words)
			}}
		}
		_, driver := d.open(t)
		found, err := driver.FindOrder(t.Context(), "RX1")
		if got := hisadapter.OutcomeOf(err); got != hisadapter.Unknown {
			t.Errorf("%q ended %v: %+v, %v", words, got, found, err)
		}
		if found, err = driver.FindOrder(t.Context(), "RX1"); err != nil || found.State != hisadapter.None {
			t.Errorf("in its own words: %+v, %v", found, err)
		}
	}
}
