package probe_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/probe"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// clock goes on only when somebody waits, so that no latency is ever seen.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return ctx.Err()
}

// can is the capabilities of a HIS of the better kind.
func can() hisadapter.Capabilities {
	return hisadapter.Capabilities{
		Freeze: true, FreezeTTL: 30 * time.Minute, NetFigure: true, Find: true, Cancel: true, List: true,
		IdempotentByHisNo: true, AtomicItems: true, BatchSize: 10, HisNoMax: 32,
	}
}

// hospital is a simulated HIS with whoever asks it.
type hospital struct {
	his     *simhis.HIS
	clock   *clock
	options probe.Options
	record  func(httphis.Exchange)
	mapping *httphis.Mapping
	offered hisadapter.Capabilities
}

// open makes a HIS that can do caps.
func open(t *testing.T, cfg simhis.Config) *hospital {
	t.Helper()
	c := &clock{at: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	cfg.Now = c.now
	if cfg.Catalogue.Drugs == nil {
		cfg.Catalogue = simhis.DemoCatalogue()
	}
	h, err := simhis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	offered := cfg.Capabilities
	offered.BatchSize = 64
	return &hospital{his: h, clock: c, options: probe.Options{
		Driver: offering{h.Driver(), offered}, Declared: hisadapter.Capabilities{BatchSize: 32, HisNoMax: cfg.Capabilities.HisNoMax},
		PharmacyID: simhis.DemoPharmacy, DrugIDs: []string{"00010041", "9007199254740993"},
		Attributes: map[string]string{"patient_id": "P1"}, Write: true, Place: true, MaxQty: 40, MaxConcurrency: 4,
		Timeout: 5 * time.Second, Settle: 10 * time.Second, Seed: "TEST", Now: c.now, Wait: c.wait,
	}}
}

// offering is a driver that offers all that is mapped, whatever the HIS makes of it.
type offering struct {
	hisadapter.Driver
	caps hisadapter.Capabilities
}

func (o offering) Capabilities() hisadapter.Capabilities { return o.caps }

// over lets a dialect stand between the probe and the HIS.
func (h *hospital) over(t *testing.T, mapping string, handler http.Handler, env map[string]string, batch int) {
	t.Helper()
	server, err := simhis.Serve(handler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for k, v := range env {
		t.Setenv(k, v)
	}
	m, err := httphis.Load(filepath.Join("../../examples/his", mapping))
	if err != nil {
		t.Fatal(err)
	}
	caps := hisadapter.Capabilities{BatchSize: batch}
	for _, op := range m.Operations() {
		caps.Freeze = caps.Freeze || op == httphis.OpFreeze
		caps.Find = caps.Find || op == httphis.OpFindOrder
		caps.Cancel = caps.Cancel || op == httphis.OpCancelOrder
		caps.List = caps.List || op == httphis.OpListOrders
	}
	d, err := httphis.New(m, caps, httphis.Options{BaseURL: server.URL(), Now: h.clock.now, Record: h.recorded})
	if err != nil {
		t.Fatal(err)
	}
	h.options.Driver, h.options.Reach, h.options.Declared.BatchSize = d, d.Reach, batch
	h.mapping, h.offered = m, caps
}

func (h *hospital) recorded(x httphis.Exchange) {
	if h.record != nil {
		h.record(x)
	}
}

// probe runs it and logs the table.
func (h *hospital) probe(t *testing.T, ctx context.Context) *probe.Report {
	t.Helper()
	r, err := probe.Run(ctx, h.options)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, s := range r.Steps {
		table.WriteString(strings.Join(s.Rows(false), "\n") + "\n")
	}
	if err := r.Write(&table, false); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	return r
}

// wantAsBefore holds the books to what they were: nothing held, nothing gone.
func (h *hospital) wantAsBefore(t *testing.T) {
	t.Helper()
	books := h.his.Books()
	for _, s := range books.Stock {
		if s.OnHand != s.Initial || s.Frozen != 0 {
			t.Errorf("the probe left %+v", s)
		}
	}
	for _, o := range books.Orders {
		if !strings.HasPrefix(o.HisNo, "HGPROBE") {
			t.Errorf("a number that is not to be known as the probe's: %q", o.HisNo)
		}
	}
}

// written is the sum of all that reached the books.
func (h *hospital) written() (sum int64) {
	for _, o := range h.his.Books().Orders {
		for _, f := range o.Freezes {
			for _, l := range f.Lines {
				sum += l.Quantity
			}
		}
		for _, p := range o.Orders {
			for _, l := range p.Lines {
				sum += l.Quantity
			}
		}
	}
	return sum
}

// failures are the steps that failed.
func failures(r *probe.Report) (out []string) {
	for _, s := range r.Steps {
		if s.Verdict == probe.Failed {
			out = append(out, s.Name.EN+": "+s.Found.EN)
		}
	}
	return out
}
