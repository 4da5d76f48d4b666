package main

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

var updateProbes = flag.Bool("update-probes", false, "write the probes shown in the docs anew")

// probed runs a probe, and returns what it printed.
func probed(t *testing.T, args ...string) string {
	t.Helper()
	return commanded(t, append([]string{"probe"}, args...)...)
}

// commanded runs a command as the command line does.
func commanded(t *testing.T, args ...string) string {
	t.Helper()
	var c cli
	var out bytes.Buffer
	parser, err := kong.New(&c, kong.Writers(&out, &out), kong.BindTo(t.Context(), (*context.Context)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// shownHIS is a HIS whose probe stands in the docs.
type shownHIS struct {
	flags string
	his   simhis.Config
	serve func(*simhis.HIS) http.Handler
}

func shownHISes() map[string]shownHIS {
	const demo = "--drug 00010041,9007199254740993"
	can := func(change func(*hisadapter.Capabilities)) hisadapter.Capabilities {
		c := simCapabilities(true)
		c.FreezeTTL, c.HisNoMax = time.Hour, 32
		change(&c)
		return c
	}
	numbers, pharmacy := numberedCatalogue()
	return map[string]shownHIS{
		"soap": {
			demo + " --max-concurrency 8",
			simhis.Config{
				Capabilities: can(func(*hisadapter.Capabilities) {}), Catalogue: simhis.DemoCatalogue(),
				Pace: simhis.Pace{Latency: 20 * time.Millisecond, Limit: 6},
			},
			func(h *simhis.HIS) http.Handler {
				return legacyhis.NewSOAP(h, legacyhis.SOAPConfig{Key: "4f8b2c", User: "hlw", Password: "letmein-7"})
			},
		},
		"json-sm3": {
			"--pharmacy " + pharmacy + " --drug 9007199254740993,9007199254740995 --max-concurrency 4",
			simhis.Config{Capabilities: can(func(c *hisadapter.Capabilities) { c.NetFigure = false }), Catalogue: numbers},
			func(h *simhis.HIS) http.Handler {
				return legacyhis.NewJSONSign(h, legacyhis.JSONSignConfig{AppID: "hlw001", Key: "4f8b2c"})
			},
		},
		"pipe": {
			demo + " --max-concurrency 4",
			simhis.Config{Capabilities: can(func(c *hisadapter.Capabilities) { c.DeductNeedsFreeze, c.HisNoMax = true, 20 }), Catalogue: simhis.DemoCatalogue()},
			func(h *simhis.HIS) http.Handler {
				return legacyhis.NewPipe(h, legacyhis.PipeConfig{Unit: "互联网医院", Key: "4f8b2c"})
			},
		},
		"rest": {
			demo + " --max-concurrency 4",
			simhis.Config{
				Capabilities: can(func(c *hisadapter.Capabilities) { c.Freeze, c.FreezeTTL, c.NetFigure = false, 0, false }),
				Catalogue:    simhis.DemoCatalogue(), SameAnswer: true,
			},
			func(h *simhis.HIS) http.Handler {
				return legacyhis.NewREST(h, legacyhis.RESTConfig{APIKey: "4f8b2c", PageSize: 20})
			},
		},
	}
}

// numberedCatalogue is one whose ids are all numbers.
func numberedCatalogue() (c simhis.Catalogue, pharmacy string) {
	pharmacy = "90071992547409931"
	for i, id := range []string{"9007199254740993", "9007199254740995"} {
		d := simhis.DemoCatalogue().Drugs[i*9]
		d.ID = id
		c.Drugs = append(c.Drugs, d)
		c.Stock = append(c.Stock, simhis.Stock{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: id}, OnHand: []int64{1000, 12}[i]})
	}
	return c, pharmacy
}

// The probes that the docs show are what hisgate prints, but for figures that are
// another's each time. go test ./cmd/hisgate -run TestProbesInTheDocs -update-probes
// writes them anew.
func TestProbesInTheDocs(t *testing.T) {
	t.Setenv("HIS_SIGN_KEY", "4f8b2c")
	t.Setenv("HIS_PASSWORD", "letmein-7")
	t.Setenv("HIS_API_KEY", "4f8b2c")
	for name, s := range shownHISes() {
		t.Run(name, func(t *testing.T) {
			h, err := simhis.New(s.his)
			if err != nil {
				t.Fatal(err)
			}
			server, err := simhis.Serve(s.serve(h))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Close() })
			file := filepath.Join(t.TempDir(), "his.yaml")
			if err := os.Rename(exampleMapping(t, name+".yaml", server.URL()), file); err != nil {
				t.Fatal(err)
			}
			wantShown(t, name, file, s.flags)
		})
	}
	t.Run("sql", func(t *testing.T) {
		_, port := reservationDatabase(t, `
INSERT INTO "药品字典" VALUES ('00010041', '甲硝唑片', '片', 0.0333, 1, '0'), ('00010055', '人血白蛋白', '瓶', 378, 1, '0');
INSERT INTO "药房库存" VALUES ('HLWYF', '00010041', 1000), ('HLWYF', '00010055', 12);
`)
		mapping := recipeMapping(t, port)
		wantShown(t, "sql", mapping, "--drug 00010041,00010055 --max-concurrency 4")
		wantPlayed(t, mapping, "--drug 00010041,00010055 --max-concurrency 2")
	})
}

// wantPlayed records a probe of a database, and finds on the tape what it found
// there; a single call of it is read too.
func wantPlayed(t *testing.T, mapping, flags string) {
	t.Helper()
	tape := filepath.Join(t.TempDir(), "tape")
	live := probed(t, append(strings.Fields(flags), "--mapping", mapping, "--max-batch", "20", "--write", "--place", "--max-qty", "20",
		"--lang", "en", "--record", tape, "--attr", "patient_id=张三丰")...)
	if err := os.Remove(filepath.Join(filepath.Dir(mapping), passwordFile)); err != nil {
		t.Fatal(err)
	}
	played := probed(t, "--mapping", mapping, "--replay", tape, "--lang", "en")
	for line := range strings.Lines(live) {
		if _, why, proof := strings.Cut(line, " # "); proof && !strings.Contains(why, "were borne") && !strings.Contains(played, line) {
			t.Errorf("not found on the tape: %s", line)
		}
	}
	if strings.Contains(played, "answers of the tape") || strings.Contains(played, "FAILED") {
		t.Errorf("played\n%s", played)
	}
	files, err := filepath.Glob(filepath.Join(tape, "*-place_order.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	parsed := commanded(t, "adapter", "parse", "--op", "place_order", "--mapping", mapping, "--drug", "00010041=1", files[0])
	for _, want := range []string{"answer: 1 rows affected", "rule: " + mapping + ":", `order: his_order_no "`} {
		if !strings.Contains(parsed, want) {
			t.Errorf("%q is missing in\n%s", want, parsed)
		}
	}
	if text, err := os.ReadFile(files[0]); err != nil || strings.Contains(string(text), "张三丰") || !strings.Contains(string(text), "UPDATE hisgate_shelf") {
		t.Errorf("%v\n%s", err, text)
	}
}

// wantShown probes in both languages and compares with the docs. That of soap
// stands in the guides too.
func wantShown(t *testing.T, name, mapping, flags string) {
	t.Helper()
	inGuide := regexp.MustCompile("(?s)(```\n)\\$ hisgate probe --mapping his.yaml --drug.*?(```)")
	for _, lang := range []struct{ flag, suffix string }{{"en", ""}, {"zh", ".zh-CN"}} {
		flags := flags + " --max-batch 20 --write --place --max-qty 20"
		got := "$ hisgate probe --mapping his.yaml " + flags + "\n" +
			probed(t, append(strings.Fields(flags), "--mapping", mapping, "--lang", lang.flag, "--settle", "5s")...)
		file := filepath.Join("../../docs/probes", name+lang.suffix+".txt")
		guide := "../../docs/his-adapters" + lang.suffix + ".md"
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		if *updateProbes {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			if name == "soap" {
				text = inGuide.ReplaceAll(text, []byte("${1}"+strings.ReplaceAll(got, "$", "$$")+"${2}"))
				if err := os.WriteFile(guide, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		shown, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wantSteady(t, file, got, string(shown))
		if name == "soap" {
			wantSteady(t, guide, got, strings.Trim(inGuide.FindString(string(text)), "`\n")+"\n")
		}
	}
}

func wantSteady(t *testing.T, file, got, shown string) {
	t.Helper()
	a, b := strings.Split(steadyProbe(got), "\n"), strings.Split(steadyProbe(shown), "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("%s is no longer what hisgate prints, from line %d on; it prints\n%s", file, i+1, got)
		}
	}
}

// steadyProbe leaves out of a probe what is another's each time: latencies and
// what hangs on them, the numbers of the probe, dates and moments.
func steadyProbe(s string) string {
	crowd := regexp.MustCompile(`(?m)^(?:reads at once|并发（只读）)(?:.*\n)(?: .*\n)*`)
	s = crowd.ReplaceAllString(s, "")
	s = regexp.MustCompile(`(?m)^  guard:\n.*\n`).ReplaceAllString(s, "")
	for _, r := range [][2]string{
		{`(?m)^(\D*?) +\d+ +(connect|login|query_stock|freeze|unfreeze|place_order|find_order|cancel_order|list_orders)\b`, "$1 # $2"},
		{`HGPROBE[0-9A-Z]+`, "HGPROBE"},
		{`\d\d:\d\d:\d\d`, "hh:mm:ss"},
		{`\d{4}-\d\d-\d\d`, "yyyy-mm-dd"},
		{`(DJ|CF|90)20\d{6}(\d{6})`, "$1 yyyymmdd $2"},
		{`\b[0-9.]+m?s\b`, "# s"},
		{`(?m) +#`, " #"},
	} {
		s = regexp.MustCompile(r[0]).ReplaceAllString(s, r[1])
	}
	return s
}
