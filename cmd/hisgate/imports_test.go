package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/hisgate/hisgate/"

// mayImport is the house rule: which rooms a room may import. A room's own
// children and internal/ leaves are listed where they count. Arrows only point
// down.
var mayImport = map[string][]string{
	"proto":                         {},
	"proto/hisgate/v1":              {},
	"cache":                         {},
	"hisadapter":                    {},
	"hisadapter/guard":              {"hisadapter"},
	"hisadapter/traced":             {"hisadapter", "hisadapter/guard", "internal/span"},
	"hisadapter/simhis":             {"hisadapter", "internal/money", "internal/skew"},
	"hisadapter/simhis/simhand":     {"hisadapter", "hisadapter/adaptertest", "hisadapter/simhis"},
	"hisadapter/units":              {},
	"hisadapter/sqldb":              {},
	"hisadapter/mapfile":            {},
	"hisadapter/sqlhis":             {"hisadapter", "hisadapter/mapfile", "hisadapter/sqldb", "hisadapter/units", "internal/skew"},
	"hisadapter/sqlhis/recipes":     {},
	"hisadapter/adaptertest":        {"hisadapter"},
	"hisadapter/httphis":            {"hisadapter", "hisadapter/mapfile", "hisadapter/units", "internal/skew"},
	"hisadapter/legacyhis":          {"hisadapter", "hisadapter/simhis"},
	"examples/his":                  {},
	"hisadapter/feed":               {"hisadapter", "hisadapter/httphis", "internal/anteroom", "internal/clientaddr"},
	"hisadapter/feed/link":          {},
	"hisadapter/feed/feedtest":      {"hisadapter/feed", "internal/testca"},
	"hisadapter/feed/natsfeed":      {"hisadapter/feed", "hisadapter/feed/link"},
	"hisadapter/feed/rabbitfeed":    {"hisadapter/feed", "hisadapter/feed/link"},
	"hisadapter/feed/kafkafeed":     {"hisadapter/feed", "hisadapter/feed/link"},
	"hisadapter/feed/outbox":        {"hisadapter/feed", "hisadapter/sqldb"},
	"hisadapter/feed/outbox/ddl":    {"hisadapter/sqldb"},
	"hisadapter/probe":              {"hisadapter", "internal/money"},
	"hisadapter/tape":               {"hisadapter", "hisadapter/httphis", "hisadapter/sqlhis"},
	"lockstore":                     {"lockstore/engine", "lockstore/internal"},
	"lockstore/engine":              {},
	"lockstore/engine/badgerengine": {"lockstore/engine"},
	"lockstore/engine/memengine":    {"lockstore/engine"},
	"lockstore/engine/enginetest":   {"lockstore/engine"},
	"lockstore/engine/backup":       {"lockstore/engine"},
	"lockstore/crashtest":           {"lockstore", "lockstore/engine", "lockstore/engine/badgerengine"},
	"gateway":                       {"cache", "hisadapter", "hisadapter/guard", "lockstore", "internal/span"},
	"gateway/server/access":         {},
	"gateway/server":                {"gateway", "gateway/server/access", "payflow", "proto", "lockstore", "hisadapter", "hisadapter/guard", "internal/anteroom", "internal/clientaddr", "internal/span", "internal/sparse"},
	"payflow":                       {"lockstore/engine", "internal/money", "internal/span", "internal/sparse"},
	"payflow/traced":                {"payflow", "internal/span"},
	"payflow/gatewaylocks":          {"payflow", "gateway", "hisadapter", "lockstore"},
	"payflow/wechat":                {"payflow", "internal/skew", "internal/sparse"},
	"payflow/wechatsim":             {},
	"payflow/simtest":               {"*"},
	"internal/alarm":                {},
	"internal/anteroom":             {},
	"internal/clientaddr":           {},
	"internal/money":                {},
	"internal/privatedb":            {"internal/privateserver"},
	"internal/privateserver":        {},
	"internal/span":                 {},
	"internal/release":              {},
	"internal/skew":                 {},
	"internal/sparse":               {},
	"internal/testca":               {},
	"deploy/systemd":                {},
	"client":                        {"proto"},
	"examples/clients/go":           {"client", "proto"},
	"cmd/hisgate":                   {"*"},
	"cmd/hisgate-bench":             {"*"},
}

func TestImportsOnlyPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		room := strings.TrimPrefix(p.ImportPath, module)
		allowed, ok := ruleFor(room)
		if !ok {
			t.Errorf("%s has no import rule; add one on purpose", room)
			continue
		}
		for _, imp := range p.Imports {
			below, ours := strings.CutPrefix(imp, module)
			if ours && !permits(room, allowed, below) {
				t.Errorf("%s may not import %s", room, below)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d packages seen", seen)
	}
}

// ruleFor finds the rule of a room; an internal package has its parent's.
func ruleFor(room string) ([]string, bool) {
	if parent, _, ok := strings.Cut(room, "/internal/"); ok {
		room = parent
	}
	allowed, ok := mayImport[room]
	return allowed, ok
}

func permits(room string, allowed []string, below string) bool {
	for _, a := range allowed {
		if a == "*" || a == below || strings.HasPrefix(below, a+"/") && (a == "proto" || strings.HasSuffix(a, "/internal")) {
			return true
		}
	}
	return strings.HasPrefix(below, room+"/internal")
}
