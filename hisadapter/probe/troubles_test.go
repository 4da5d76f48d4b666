package probe_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/probe"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// What the HIS cannot do is found out, and what it did twice is undone twice.
func TestFindsOutWhatIsNotSo(t *testing.T) {
	for name, c := range map[string]struct {
		is   func(*hisadapter.Capabilities)
		want func(*hisadapter.Capabilities)
	}{
		"repeats are applied twice": {
			func(c *hisadapter.Capabilities) { c.IdempotentByHisNo = false },
			func(c *hisadapter.Capabilities) { c.IdempotentByHisNo = false },
		},
		"half an order": {
			func(c *hisadapter.Capabilities) { c.AtomicItems = false },
			func(c *hisadapter.Capabilities) { c.AtomicItems = false },
		},
		"a figure that lags": {
			func(c *hisadapter.Capabilities) { c.FigureLag = 3 * time.Second },
			func(c *hisadapter.Capabilities) {},
		},
		"freezes beside the figure": {
			func(c *hisadapter.Capabilities) { c.NetFigure = false },
			func(c *hisadapter.Capabilities) { c.NetFigure = false },
		},
	} {
		t.Run(name, func(t *testing.T) {
			caps, want := can(), can()
			c.is(&caps)
			c.want(&want)
			h := open(t, simhis.Config{Capabilities: caps})
			r := h.probe(t, t.Context())
			got := r.Capabilities()
			if lag := got.FigureLag; lag < caps.FigureLag || lag > 3*caps.FigureLag {
				t.Errorf("the figure lags by %s, measured are %s", caps.FigureLag, lag)
			}
			if got.FigureLag = 0; got != want {
				t.Errorf("found %+v\nwant  %+v", got, want)
			}
			h.wantAsBefore(t)
			if sum := h.written(); sum > h.options.MaxQty {
				t.Errorf("%d units were written, %d were allowed", sum, h.options.MaxQty)
			}
		})
	}
}

// Without being told to it writes nothing, and proves nothing that needs a write.
func TestWritesOnlyWhenTold(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: can()})
	h.options.Write, h.options.Place = false, false
	r := h.probe(t, t.Context())
	if n := len(h.his.Books().Orders); n != 0 {
		t.Errorf("%d numbers were written", n)
	}
	got := r.Capabilities()
	if want := (hisadapter.Capabilities{BatchSize: 10, HisNoMax: 32, FigureLag: h.options.Settle}); got != want {
		t.Errorf("found %+v, want %+v", got, want)
	}
}

// Orders need a word of their own.
func TestOrdersOnlyWhenTold(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: can()})
	h.options.Place = false
	r := h.probe(t, t.Context())
	for _, o := range h.his.Books().Orders {
		if len(o.Orders) > 0 {
			t.Errorf("an order was placed: %+v", o)
		}
	}
	got := r.Capabilities()
	if !got.Freeze || !got.Find || got.Cancel || got.List || got.IdempotentByHisNo || !got.DeductNeedsFreeze || !got.AtomicItems {
		t.Errorf("found %+v", got)
	}
	h.wantAsBefore(t)
}

// Whatever the largest quantity is, it is kept.
func TestKeepsToTheLargestQuantity(t *testing.T) {
	for most := int64(1); most <= 8; most++ {
		h := open(t, simhis.Config{Capabilities: can()})
		h.options.MaxQty = most
		h.probe(t, t.Context())
		if sum := h.written(); sum > most || sum == 0 {
			t.Errorf("%d units were written, %d were allowed", sum, most)
		}
		h.wantAsBefore(t)
	}
}

// Given up at any write, it still undoes what it wrote.
func TestUndoesWhenInterrupted(t *testing.T) {
	for at := 1; at <= 5; at++ {
		h := open(t, simhis.Config{Capabilities: can()})
		ctx, cancel := context.WithCancel(t.Context())
		writes := 0
		h.options.Announce = func(probe.Text) {
			if writes++; writes == at {
				cancel()
			}
		}
		r := h.probe(t, ctx)
		if writes < at {
			t.Fatalf("only %d writes, interrupted at %d", writes, at)
		}
		if !r.Interrupted || !r.Failed() {
			t.Errorf("interrupted at write %d, and nothing is said of it", at)
		}
		if writes > at {
			t.Errorf("%d writes, interrupted at %d", writes, at)
		}
		h.wantAsBefore(t)
		cancel()
	}
}

// An answer that was lost is found out and undone.
func TestUndoesWhatWasNeverAnswered(t *testing.T) {
	for _, op := range []simhis.Op{simhis.OpFreeze, simhis.OpUnfreeze, simhis.OpPlaceOrder, simhis.OpCancelOrder} {
		t.Run(string(op), func(t *testing.T) {
			h := open(t, simhis.Config{Capabilities: can()})
			if _, err := h.his.Inject(simhis.Fault{Op: op, What: simhis.Reset, Apply: true, Times: 1}); err != nil {
				t.Fatal(err)
			}
			r := h.probe(t, t.Context())
			if len(failures(r)) == 0 {
				t.Error("no step failed")
			}
			if len(r.Left) > 0 {
				t.Errorf("left: %v", r.Left)
			}
			h.wantAsBefore(t)
		})
	}
}

// What cannot be undone is said, with its number.
func TestSaysWhatCouldNotBeUndone(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: can()})
	if _, err := h.his.Inject(simhis.Fault{Op: simhis.OpCancelOrder, What: simhis.HTTP500}); err != nil {
		t.Fatal(err)
	}
	r := h.probe(t, t.Context())
	if len(r.Left) != 1 || !strings.Contains(r.Left[0].EN, "HGPROBETEST") || !strings.Contains(r.Left[0].EN, "cancel it by hand") {
		t.Errorf("left: %v", r.Left)
	}
	if !r.Failed() || r.Capabilities().Cancel {
		t.Error("a cancel that failed is taken for one")
	}
}

// A HIS that refuses when it is asked too much is asked no more.
func TestRampStopsAtTheFirstRefusal(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: can(), Pace: simhis.Pace{Limit: 2, Latency: 20 * time.Millisecond}})
	h.options.Write, h.options.Place, h.options.MaxConcurrency = false, false, 16
	r := h.probe(t, t.Context())
	if r.Borne != 2 {
		t.Errorf("%d reads at once were borne, the HIS bears 2", r.Borne)
	}
	if most := h.his.Counters().MaxInFlight; most > 3 {
		t.Errorf("%d reads at once were sent", most)
	}
}

// crowded is a HIS that takes longer the more ask it at once.
type crowded struct {
	hisadapter.Driver
	bears  int // at once, before it slows down
	inside *atomic.Int32
	most   *atomic.Int32
}

func (c crowded) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	c.inside.Add(1)
	defer c.inside.Add(-1)
	time.Sleep(time.Millisecond) // simulated: until all are there
	n := c.inside.Load()
	c.most.Store(max(c.most.Load(), n))
	took := 60 * time.Millisecond
	if int(n) > c.bears {
		took *= time.Duration(n + 1)
	}
	time.Sleep(took)
	return c.Driver.QueryStock(ctx, keys)
}

// A HIS that takes twice as long for a few at once as for one is asked no more,
// though it answers all; and slowness that is too small to tell is none.
func TestRampStopsWhenTheLatencyDoubles(t *testing.T) {
	for bears, want := range map[int]int{1: 1, 2: 2, 3: 3, 5: 5, 16: 16} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, simhis.Config{Capabilities: can()})
			var inside, most atomic.Int32
			h.options.Driver = crowded{h.options.Driver, bears, &inside, &most}
			h.options.Write, h.options.Place, h.options.MaxConcurrency, h.options.Timeout = false, false, 16, time.Minute
			h.options.Now = time.Now
			r := h.probe(t, t.Context())
			if r.Borne != want {
				t.Errorf("%d reads at once were borne, the HIS bears %d", r.Borne, bears)
			}
			if n := int(most.Load()); n > want+1 {
				t.Errorf("%d reads at once were sent to one that bears %d", n, bears)
			}
			last := r.Steps[len(r.Steps)-1]
			if want < 16 && (last.Verdict != probe.Noted || !strings.Contains(last.Found.EN, "the latency goes from 61ms to")) {
				t.Errorf("it says %q", last.Found.EN)
			}
			if r.Failed() {
				t.Error("a HIS that is slow for a crowd has not failed")
			}
		})
	}
}

// A HIS that is not there, or does not know the drug, is asked nothing more.
func TestStopsWhereNothingCanBeRead(t *testing.T) {
	h := open(t, simhis.Config{Capabilities: can()})
	h.options.DrugIDs = []string{"10041"}
	if r := h.probe(t, t.Context()); !r.Failed() || len(h.his.Books().Orders) > 0 || r.Borne > 0 {
		t.Errorf("an unknown drug was probed: %+v", r)
	}
	h.his.SetDown(true)
	r := h.probe(t, t.Context())
	var shown strings.Builder
	if err := r.Write(&shown, false); err != nil {
		t.Fatal(err)
	}
	if !r.Failed() || r.Borne > 0 || strings.Contains(shown.String(), "capabilities") {
		t.Errorf("a HIS that is down was probed: %+v, and it shows\n%s", r, shown.String())
	}
}

func TestRefusesOptionsThatAreWrong(t *testing.T) {
	for name, spoil := range map[string]func(*probe.Options){
		"no drug":                 func(o *probe.Options) { o.DrugIDs = nil },
		"a drug twice":            func(o *probe.Options) { o.DrugIDs = []string{"1", "1"} },
		"no pharmacy":             func(o *probe.Options) { o.PharmacyID = "" },
		"orders without write":    func(o *probe.Options) { o.Write = false },
		"no largest quantity":     func(o *probe.Options) { o.MaxQty = 0 },
		"a ramp without end":      func(o *probe.Options) { o.MaxConcurrency = 1000 },
		"numbers too long":        func(o *probe.Options) { o.Declared.HisNoMax = 10 },
		"unknown drug is a known": func(o *probe.Options) { o.Unknown = "00010041" },
	} {
		h := open(t, simhis.Config{Capabilities: can()})
		spoil(&h.options)
		if _, err := probe.Run(t.Context(), h.options); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Without a find nothing is frozen [C3], and an order is taken back all the same.
func TestWithoutFind(t *testing.T) {
	caps := can()
	caps.Find = false
	h := open(t, simhis.Config{Capabilities: caps})
	r := h.probe(t, t.Context())
	for _, o := range h.his.Books().Orders {
		if len(o.Freezes) > 0 {
			t.Errorf("%s was frozen, and nobody could have said what became of it", o.HisNo)
		}
	}
	if got := r.Capabilities(); got.Freeze || got.Find || got.Cancel || !got.IdempotentByHisNo || !got.List {
		t.Errorf("found %+v", got)
	}
	h.wantAsBefore(t)
}

// An order that the HIS cannot take back stays, and its number is named.
func TestNamesTheOrderThatStays(t *testing.T) {
	caps := can()
	caps.Cancel = false
	h := open(t, simhis.Config{Capabilities: caps})
	r := h.probe(t, t.Context())
	var placed []string
	for _, o := range h.his.Books().Orders {
		for _, p := range o.Orders {
			placed = append(placed, p.OrderNo)
		}
	}
	if len(placed) != 1 || len(r.Left) != 1 || !strings.Contains(r.Left[0].EN, placed[0]) || !strings.Contains(r.Left[0].ZH, placed[0]) {
		t.Errorf("placed %v, left %v", placed, r.Left)
	}
	if got := r.Capabilities(); got.Cancel || !got.Find || !got.Freeze {
		t.Errorf("found %+v", got)
	}
}

// What a HIS says does not steer the terminal.
func TestShowsNoControlCharacters(t *testing.T) {
	s := probe.Step{
		Name: probe.Text{ZH: "药", EN: "drug"}, Calls: []probe.Call{{Sent: "a\x1b[2Jb", Back: "c\r\nd", Read: "e\x07f"}}, Found: probe.Text{ZH: "", EN: "g\x1b]0;h"},
	}
	r := probe.Report{Left: []probe.Text{{ZH: "i\x1bj", EN: "i\x1bj"}}}
	var b strings.Builder
	if err := r.Write(&b, true); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(s.Rows(false), "") + b.String(); strings.ContainsAny(all, "\x1b\x07\r") {
		t.Errorf("%q", all)
	}
}
