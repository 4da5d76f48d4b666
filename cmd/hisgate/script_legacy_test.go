package main

import (
	"net/http"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	his "github.com/hisgate/hisgate/examples/his"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// legacyCmds give a script a HIS of its own that speaks one of the dialects:
//
//	legacy soap|rest   serves it, writes his.yaml for it, sets its secrets
//	untouched          its books are as they were: nothing held, nothing gone
func legacyCmds() map[string]func(*testscript.TestScript, bool, []string) {
	var mu sync.Mutex
	serving := map[string]*simhis.HIS{} // by the script's folder
	return map[string]func(*testscript.TestScript, bool, []string){
		"legacy": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 1 {
				ts.Fatalf("usage: legacy soap|rest")
			}
			h := serveLegacy(ts, args[0])
			mu.Lock()
			defer mu.Unlock()
			serving[ts.Getenv("WORK")] = h
		},
		"untouched": func(ts *testscript.TestScript, neg bool, _ []string) {
			mu.Lock()
			h := serving[ts.Getenv("WORK")]
			mu.Unlock()
			touched := false
			for _, s := range h.Books().Stock {
				touched = touched || s.OnHand != s.Initial || s.Frozen != 0
			}
			if touched != neg {
				ts.Fatalf("the shelves: %+v", h.Books().Stock)
			}
		},
	}
}

func serveLegacy(ts *testscript.TestScript, dialect string) *simhis.HIS {
	caps := simCapabilities(dialect != "rest")
	if caps.Freeze {
		caps.FreezeTTL = time.Hour
	}
	h, err := simhis.New(simhis.Config{Capabilities: caps, Catalogue: simhis.DemoCatalogue()})
	ts.Check(err)
	serve := map[string]func(*simhis.HIS) http.Handler{
		"soap": func(h *simhis.HIS) http.Handler {
			return legacyhis.NewSOAP(h, legacyhis.SOAPConfig{Key: "sign-key-4f8b2c", User: "hlw", Password: "letmein-7"})
		},
		"rest": func(h *simhis.HIS) http.Handler {
			return legacyhis.NewREST(h, legacyhis.RESTConfig{APIKey: "api-key-4f8b2c", PageSize: 2})
		},
	}[dialect]
	if serve == nil {
		ts.Fatalf("no dialect %q", dialect)
	}
	server, err := legacyhis.Serve(serve(h))
	ts.Check(err)
	ts.Defer(func() { server.Close() })
	mapping, err := his.Mapping(dialect)
	ts.Check(err)
	address := regexp.MustCompile(`(?m)^  url: .*$`)
	ts.Check(os.WriteFile(ts.MkAbs("his.yaml"), address.ReplaceAll(mapping, []byte("  url: "+server.URL())), 0o600))
	ts.Setenv("HIS_SIGN_KEY", "sign-key-4f8b2c")
	ts.Setenv("HIS_PASSWORD", "letmein-7")
	ts.Setenv("HIS_API_KEY", "api-key-4f8b2c")
	return h
}
