package probe_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// numeric is a catalogue whose ids are all numbers above 2^53.
func numeric() (simhis.Catalogue, string) {
	const pharmacy = "90071992547409931"
	var c simhis.Catalogue
	for id, from := range map[string]int{"9007199254740993": 0, "9007199254740995": 9} {
		d := simhis.DemoCatalogue().Drugs[from]
		d.ID = id
		n := int64(12)
		if from == 0 {
			n = 1000
		}
		c.Drugs = append(c.Drugs, d)
		c.Stock = append(c.Stock, simhis.Stock{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: id}, OnHand: n})
	}
	return c, pharmacy
}

// server is a HIS behind one of the dialects.
type server struct {
	caps hisadapter.Capabilities
	open func(t *testing.T, caps hisadapter.Capabilities) *hospital
}

func servers() map[string]server {
	gross, plain, strict := can(), can(), can()
	gross.NetFigure, gross.BatchSize = false, 20
	plain.Freeze, plain.FreezeTTL, plain.NetFigure = false, 0, false
	plain.BatchSize = 32 // it has pages instead
	strict.DeductNeedsFreeze, strict.FreezeTTL, strict.HisNoMax = true, 0, 20
	columns := strict
	columns.FreezeTTL, columns.BatchSize = 20*time.Minute, 1
	return map[string]server{
		"cookie": {can(), func(t *testing.T, caps hisadapter.Capabilities) *hospital {
			h := open(t, simhis.Config{Capabilities: caps})
			h.over(t, "cookie.yaml", legacyhis.NewCookie(h.his, legacyhis.CookieConfig{
				Key: "4f8b2c90", User: "hlw", Password: "letmein-7", Store: "03", Pharmacy: simhis.DemoPharmacy, PageSize: 2,
			}), map[string]string{"HIS_SIGN_KEY": "4f8b2c90", "HIS_PASSWORD": "letmein-7"}, 32)
			return h
		}},
		"soap": {can(), func(t *testing.T, caps hisadapter.Capabilities) *hospital {
			h := open(t, simhis.Config{Capabilities: caps})
			h.over(t, "soap.yaml", legacyhis.NewSOAP(h.his, legacyhis.SOAPConfig{Key: "4f8b<&2c", User: "hlw", Password: "letmein-7"}),
				map[string]string{"HIS_SIGN_KEY": "4f8b<&2c", "HIS_PASSWORD": "letmein-7"}, 32)
			return h
		}},
		"json-sm3": {gross, func(t *testing.T, caps hisadapter.Capabilities) *hospital {
			catalogue, pharmacy := numeric()
			h := open(t, simhis.Config{Capabilities: caps, Catalogue: catalogue})
			h.options.PharmacyID, h.options.DrugIDs = pharmacy, []string{"9007199254740993", "9007199254740995"}
			h.over(t, "json-sm3.yaml", legacyhis.NewJSONSign(h.his, legacyhis.JSONSignConfig{AppID: "hlw001", Key: "4f8b2c90"}),
				map[string]string{"HIS_SIGN_KEY": "4f8b2c90"}, 40)
			return h
		}},
		"json-aes": {gross, func(t *testing.T, caps hisadapter.Capabilities) *hospital {
			catalogue, pharmacy := numeric()
			h := open(t, simhis.Config{Capabilities: caps, Catalogue: catalogue})
			h.options.PharmacyID, h.options.DrugIDs = pharmacy, []string{"9007199254740993", "9007199254740995"}
			key, iv := "0123456789abcdef", "fedcba9876543210"
			h.over(t, "json-aes.yaml", legacyhis.NewJSONSign(h.his, legacyhis.JSONSignConfig{AppID: "hlw001", Key: "4f8b2c90", Cipher: []byte(key), IV: []byte(iv)}),
				map[string]string{
					"HIS_SIGN_KEY": "4f8b2c90", "HIS_AES_KEY": hex.EncodeToString([]byte(key)), "HIS_AES_IV": hex.EncodeToString([]byte(iv)),
				}, 40)
			return h
		}},
		"rest": {plain, func(t *testing.T, caps hisadapter.Capabilities) *hospital {
			h := open(t, simhis.Config{Capabilities: caps, SameAnswer: true})
			h.over(t, "rest.yaml", legacyhis.NewREST(h.his, legacyhis.RESTConfig{APIKey: "4f8b2c90", PageSize: 3}), map[string]string{"HIS_API_KEY": "4f8b2c90"}, 32)
			return h
		}},
		"pipe": {strict, func(t *testing.T, caps hisadapter.Capabilities) *hospital {
			h := open(t, simhis.Config{Capabilities: caps})
			h.over(t, "pipe.yaml", legacyhis.NewPipe(h.his, legacyhis.PipeConfig{Unit: "互联网医院", Key: "4f8b2c90"}), map[string]string{"HIS_SIGN_KEY": "4f8b2c90"}, 32)
			return h
		}},
		"columns": {columns, func(t *testing.T, caps hisadapter.Capabilities) *hospital {
			shown := caps
			shown.NetFigure = false // it tells what is frozen beside; the mapping takes it off
			h := open(t, simhis.Config{Capabilities: shown})
			h.over(t, "columns.yaml", legacyhis.NewColumns(h.his, legacyhis.ColumnsConfig{
				Key: "4f8b2c90", User: "hlw", Password: "letmein-7", Store: "03", Pharmacy: simhis.DemoPharmacy, PageSize: 2,
			}), map[string]string{"HIS_SIGN_KEY": "4f8b2c90", "HIS_PASSWORD": "letmein-7"}, 1)
			return h
		}},
	}
}

// The probe finds of each dialect what its HIS can do, no more and no less, with
// a freeze and without; and leaves the books as they were.
func TestFindsExactlyWhatEachDialectCan(t *testing.T) {
	for name, s := range servers() {
		t.Run(name, func(t *testing.T) {
			h := s.open(t, s.caps)
			r := h.probe(t, t.Context())
			if got := r.Capabilities(); got != s.caps {
				t.Errorf("found %+v\nit is  %+v", got, s.caps)
			}
			if r.Failed() {
				t.Errorf("failed: %v; left: %v", failures(r), r.Left)
			}
			if r.Borne != 4 {
				t.Errorf("%d reads at once were borne, of 4", r.Borne)
			}
			h.wantAsBefore(t)
			if sum := h.written(); sum == 0 || sum > h.options.MaxQty {
				t.Errorf("%d units were written, %d were allowed", sum, h.options.MaxQty)
			}
		})
	}
}
