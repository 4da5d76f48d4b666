package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/text/encoding/simplifiedchinese"

	his "github.com/hisgate/hisgate/examples/his"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// legacyCmds give a script a HIS of its own that speaks one of the dialects:
//
//	legacy soap|rest   serves it, writes his.yaml for it, sets its secrets
//	slow DURATION      every call takes that long from now on
//	held               waits until something is frozen there
//	untold DIR WORD…   none of the words stands in a file there
//	untouched          its books are as they were: nothing held, nothing gone
func legacyCmds() map[string]func(*testscript.TestScript, bool, []string) {
	var mu sync.Mutex
	serving := map[string]*simhis.HIS{} // by the script's folder
	of := func(ts *testscript.TestScript) *simhis.HIS {
		mu.Lock()
		defer mu.Unlock()
		return serving[ts.Getenv("WORK")]
	}
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
		"slow": func(ts *testscript.TestScript, _ bool, args []string) {
			d, err := time.ParseDuration(args[0])
			ts.Check(err)
			ts.Check(of(ts).SetPace(simhis.Pace{Latency: d}))
		},
		"held": func(ts *testscript.TestScript, _ bool, _ []string) {
			h := of(ts)
			holds := func(s simhis.StockBook) bool { return s.Frozen > 0 }
			for giveUp := time.Now().Add(time.Minute); !slices.ContainsFunc(h.Books().Stock, holds); runtime.Gosched() {
				if time.Now().After(giveUp) {
					ts.Fatalf("nothing is frozen")
				}
			}
		},
		"untold": func(ts *testscript.TestScript, neg bool, args []string) {
			files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
			ts.Check(err)
			if neg || len(files) == 0 {
				ts.Fatalf("usage: untold DIR WORD…")
			}
			for _, f := range files {
				text, err := os.ReadFile(f)
				ts.Check(err)
				for _, word := range args[1:] {
					gbk, err := simplifiedchinese.GBK.NewEncoder().String(word)
					ts.Check(err)
					if bytes.Contains(text, []byte(word)) || bytes.Contains(text, []byte(gbk)) {
						ts.Fatalf("%s tells %q", f, word)
					}
				}
			}
		},
		"untouched": func(ts *testscript.TestScript, neg bool, _ []string) {
			touched := false
			for _, s := range of(ts).Books().Stock {
				touched = touched || s.OnHand != s.Initial || s.Frozen != 0
			}
			if touched != neg {
				ts.Fatalf("the shelves: %+v", of(ts).Books().Stock)
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
	server, err := simhis.Serve(serve(h))
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
