package legacyhis_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// handler is a dialect with what it saw of its callers.
type handler interface {
	http.Handler
	Counters() legacyhis.Counters
}

// dialect is a legacy HIS and the mapping file that fits hisgate to it.
type dialect struct {
	mapping string // in examples/his
	loaded  *httphis.Mapping
	env     map[string]string
	caps    hisadapter.Capabilities
	his     simhis.Config
	fixture adaptertest.Fixture
	serve   func(*simhis.HIS) handler
}

// demo is what the demo catalogue offers to the suite.
func demo() adaptertest.Fixture {
	return adaptertest.Fixture{
		PharmacyID: simhis.DemoPharmacy, Drugs: []string{"00010041", "9007199254740993", "00050003"}, Unknown: "10041",
		Stopped: "00070001", Boxed: "00010042", Box: 24, Amount: true,
	}
}

// numeric is the demo catalogue of a hospital all of whose ids are numbers
// above 2^53, next to each other where a float cannot tell them apart.
func numeric() (simhis.Catalogue, adaptertest.Fixture) {
	const pharmacy = "90071992547409931"
	ids := map[string]string{
		"00010041": "9007199254740993", "9007199254740993": "9007199254740995", "00050003": "9007199254740997",
		"00070001": "9007199254741001", "00010042": "9007199254741003",
	}
	demoed := simhis.DemoCatalogue()
	var c simhis.Catalogue
	for _, d := range demoed.Drugs {
		if id, ok := ids[d.ID]; ok {
			c.Drugs = append(c.Drugs, simhis.Drug{ID: id, Facts: d.Facts})
			c.Stock = append(c.Stock, simhis.Stock{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: id}, OnHand: 100})
		}
	}
	f := demo()
	f.PharmacyID, f.Stopped, f.Boxed = pharmacy, ids[f.Stopped], ids[f.Boxed]
	for i, d := range f.Drugs {
		f.Drugs[i] = ids[d]
	}
	f.Unknown = "9007199254740992" // what the first is to those who read floats
	return c, f
}

func dialects(t *testing.T) map[string]dialect {
	t.Helper()
	freezing := hisadapter.Capabilities{
		Freeze: true, FreezeTTL: 30 * time.Minute, NetFigure: true, Find: true, Cancel: true, List: true,
		IdempotentByHisNo: true, AtomicItems: true, BatchSize: 10, HisNoMax: 32,
	}
	gross, deducting, strict := freezing, freezing, freezing
	gross.NetFigure, gross.BatchSize = false, 20
	deducting.Freeze, deducting.FreezeTTL, deducting.NetFigure = false, 0, false
	strict.DeductNeedsFreeze, strict.FreezeTTL, strict.HisNoMax = true, 0, 20

	numbers, numbered := numeric()
	demos := simhis.DemoCatalogue()
	withFacts := func(f adaptertest.Fixture, facts ...hisadapter.Facts) adaptertest.Fixture {
		f.Facts = facts
		return f
	}
	packed := []hisadapter.Facts{
		{Name: "甲硝唑片", Unit: "片", Multiple: 1, Price: "3.3330", PricePer: 100},
		{Name: "人血白蛋白", Unit: "瓶", Multiple: 1, Price: "378.00", PricePer: 1},
		{Name: "川贝母", Unit: "g", Multiple: 1, Price: "5.8750", PricePer: 1},
	}
	aesKey, aesIV := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	all := map[string]dialect{
		"soap": {
			mapping: "soap.yaml", env: map[string]string{"HIS_SIGN_KEY": "9f<&8K", "HIS_PASSWORD": "p<&>w"},
			caps: freezing, his: simhis.Config{Catalogue: demos}, fixture: withFacts(demo(), packed...),
			serve: func(h *simhis.HIS) handler {
				return legacyhis.NewSOAP(h, legacyhis.SOAPConfig{Key: "9f<&8K", User: "hlw", Password: "p<&>w"})
			},
		},
		"soap, token run out": {
			mapping: "soap.yaml", env: map[string]string{"HIS_SIGN_KEY": "k", "HIS_PASSWORD": "p"},
			caps: freezing, his: simhis.Config{Catalogue: demos}, fixture: demo(),
			serve: func(h *simhis.HIS) handler {
				return forgetful{legacyhis.NewSOAP(h, legacyhis.SOAPConfig{Key: "k", User: "hlw", Password: "p"})}
			},
		},
		"json-sm3": {
			mapping: "json-sm3.yaml", env: map[string]string{"HIS_SIGN_KEY": "k"},
			caps: gross, his: simhis.Config{Catalogue: numbers}, fixture: withFacts(numbered, packed...),
			serve: func(h *simhis.HIS) handler {
				return legacyhis.NewJSONSign(h, legacyhis.JSONSignConfig{AppID: "hlw001", Key: "k"})
			},
		},
		"json-aes": {
			mapping: "json-aes.yaml", env: map[string]string{
				"HIS_SIGN_KEY": "k", "HIS_AES_KEY": "30313233343536373839616263646566", "HIS_AES_IV": "66656463626139383736353433323130",
			},
			caps: gross, his: simhis.Config{Catalogue: numbers}, fixture: withFacts(numbered, packed...),
			serve: func(h *simhis.HIS) handler {
				return legacyhis.NewJSONSign(h, legacyhis.JSONSignConfig{AppID: "hlw001", Key: "k", Cipher: aesKey, IV: aesIV})
			},
		},
		"rest": {
			mapping: "rest.yaml", env: map[string]string{"HIS_API_KEY": "k"},
			caps: deducting, his: simhis.Config{Catalogue: demos, SameAnswer: true},
			fixture: withFacts(demo(),
				hisadapter.Facts{Name: "甲硝唑片", Unit: "片", Multiple: 1, Price: "0.03333", PricePer: 1},
				hisadapter.Facts{Name: "人血白蛋白", Unit: "瓶", Multiple: 1, Price: "378", PricePer: 1},
				hisadapter.Facts{Name: "川贝母", Unit: "g", Multiple: 1, Price: "5.875", PricePer: 1},
			),
			serve: func(h *simhis.HIS) handler {
				return legacyhis.NewREST(h, legacyhis.RESTConfig{APIKey: "k", PageSize: 3})
			},
		},
		"pipe": {
			mapping: "pipe.yaml", env: map[string]string{"HIS_SIGN_KEY": "k"},
			caps: strict, his: simhis.Config{Catalogue: demos},
			fixture: withFacts(demo(),
				hisadapter.Facts{Name: "甲硝唑片", Unit: "片", Multiple: 1},
				hisadapter.Facts{Name: "人血白蛋白", Unit: "瓶", Multiple: 1},
				hisadapter.Facts{Name: "川贝母", Unit: "g", Multiple: 1},
			),
			serve: func(h *simhis.HIS) handler {
				return legacyhis.NewPipe(h, legacyhis.PipeConfig{Unit: "互联网医院", Key: "k"})
			},
		},
	}
	one := strict
	one.FreezeTTL, one.BatchSize = 20*time.Minute, 1
	shown := one
	shown.NetFigure = false // it tells what is frozen beside; the mapping takes it off
	all["columns"] = dialect{
		mapping: "columns.yaml", env: map[string]string{"HIS_SIGN_KEY": "k", "HIS_PASSWORD": "p"},
		caps: one, his: simhis.Config{Catalogue: demos, Capabilities: shown}, fixture: withFacts(demo(), packed...),
		serve: func(h *simhis.HIS) handler {
			return legacyhis.NewColumns(h, legacyhis.ColumnsConfig{
				Key: "k", User: "hlw", Password: "p", Store: "03", Pharmacy: simhis.DemoPharmacy, PageSize: 2,
			})
		},
	}
	byNumber := freezing
	byNumber.FreezeTTL = 45 * time.Minute
	all["cookie"] = dialect{
		mapping: "cookie.yaml", env: map[string]string{"HIS_SIGN_KEY": "k<&密", "HIS_PASSWORD": "p"},
		caps: byNumber, his: simhis.Config{Catalogue: demos}, fixture: withFacts(demo(), packed...),
		serve: func(h *simhis.HIS) handler {
			return legacyhis.NewCookie(h, legacyhis.CookieConfig{
				Key: "k<&密", User: "hlw", Password: "p", Store: "03", Pharmacy: simhis.DemoPharmacy, PageSize: 3,
			})
		},
	}
	for name, d := range all {
		var err error
		if d.loaded, err = httphis.Load(filepath.Join("../../examples/his", d.mapping)); err != nil {
			t.Fatal(err)
		}
		all[name] = d
	}
	return all
}
