package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// A HIS behind one of the example mappings is as good as any: orders are paid
// and fulfilled, and one whose answer was lost is found and fulfilled once.
func TestOrdersThroughAMappingFile(t *testing.T) {
	t.Setenv("HIS_SIGN_KEY", "4f8b2c")
	t.Setenv("HIS_PASSWORD", "letmein-7")
	t.Setenv("HIS_API_KEY", "4f8b2c")
	for mapping, kind := range map[string]struct {
		freeze, needed bool // can it freeze, and must it before it deducts?
		batch          int
		serve          func(*simhis.HIS) http.Handler
	}{
		"pipe.yaml": {true, true, 20, func(h *simhis.HIS) http.Handler {
			return legacyhis.NewPipe(h, legacyhis.PipeConfig{Unit: "互联网医院", Key: "4f8b2c"})
		}},
		"columns.yaml": {true, true, 1, func(h *simhis.HIS) http.Handler {
			return legacyhis.NewColumns(h, legacyhis.ColumnsConfig{
				Key: "4f8b2c", User: "hlw", Password: "letmein-7", Store: "03", Pharmacy: simhis.DemoPharmacy, PageSize: 2,
			})
		}},
		"soap.yaml": {true, false, 20, func(h *simhis.HIS) http.Handler {
			return legacyhis.NewSOAP(h, legacyhis.SOAPConfig{Key: "4f8b2c", User: "hlw", Password: "letmein-7"})
		}},
		"rest.yaml": {false, false, 20, func(h *simhis.HIS) http.Handler {
			return legacyhis.NewREST(h, legacyhis.RESTConfig{APIKey: "4f8b2c", PageSize: 2})
		}},
	} {
		t.Run(mapping, func(t *testing.T) {
			caps := simCapabilities(kind.freeze)
			if kind.freeze {
				caps.FreezeTTL = time.Hour
			}
			caps.DeductNeedsFreeze, caps.BatchSize = kind.needed, kind.batch
			w := newWorldOf(t, simOptions{Capabilities: caps})
			server, err := simhis.Serve(kind.serve(w.sims.HIS))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Close() })
			w.cfg.HIS.Driver, w.cfg.HIS.MappingFile = driverHTTP, exampleMapping(t, mapping, server.URL())
			h := w.open()

			if s := h.live("00010041"); s.GetDrugName() != "甲硝唑片" || s.GetAvailable() != 1000 {
				t.Errorf("the stock is %v", s)
			}
			h.hisFault(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.TimeoutAfter, Times: 1, HisNo: "RX-LOST-01"})
			for _, no := range []string{"RX-PLAIN-01", "RX-LOST-01"} {
				o := h.post("/v1/orders", `{"order_no":"`+no+`","strategy":"RESERVE","pharmacy_id":"HLWYF",
  "items":[{"drug_id":"00010041","quantity":"30","line_fen":"100"}],"amount":{"drugs_fen":"100","other_fen":"1500","total_fen":"1600"},
  "payment":{"method":"JSAPI","appid":"wx8888888888888888","payer_openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","description":"互联网医院药费"}}`).order(t)
				if o.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT {
					t.Fatalf("%s is %s", no, o.GetStatus())
				}
				h.pay(no)
				h.await(no, hisgatev1.Order_FULFILLED)
				if placed, _ := h.sims.HIS.Books().Order(no); placed.Applications() != 1 {
					t.Errorf("the HIS's account of %s: %+v", no, placed)
				}
			}
			if s := h.live("00010041"); s.GetOnHand() != 940 || s.GetHeld() != 0 {
				t.Errorf("after the orders: %d on hand, %d held", s.GetOnHand(), s.GetHeld())
			}
			h.audit(h.api)
		})
	}
}

// exampleMapping is one of the example files with the address of a test server.
func exampleMapping(t *testing.T, name, url string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/his", name))
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`(?m)^  url: .*$`)
	if len(address.FindAll(text, -1)) != 1 {
		t.Fatalf("%s must have one url", name)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, address.ReplaceAll(text, []byte("  url: "+url)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
