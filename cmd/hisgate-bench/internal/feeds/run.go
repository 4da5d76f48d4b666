package feeds

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// Options of a measurement.
type Options struct {
	Dir     string
	Only    []string // names of sources, or beginnings; none = all
	Changes int      // of each source
	Every   time.Duration
}

// Row is what was measured of one source.
type Row struct {
	Source  string        `json:"source"`
	Changes int           `json:"changes"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	Max     time.Duration `json:"max_ns"`
	Note    string        `json:"note,omitempty"` // why nothing was measured, or how it was found
}

// Do measures one source after the other, each in a house of its own, and then
// what a watcher has without a feed.
func Do(ctx context.Context, o Options) ([]Row, error) {
	var rows []Row
	for i, s := range openers() {
		if !o.wants(s.name) {
			continue
		}
		dir := filepath.Join(o.Dir, fmt.Sprint("s", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return rows, err
		}
		row, err := o.measure(ctx, s, dir)
		if missing, ok := errors.AsType[*privateserver.MissingError](err); ok {
			row, err = Row{Source: s.name, Note: missing.Error()}, nil
		}
		if err != nil {
			return rows, fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, row)
	}
	if o.wants(withoutFeed) {
		row, err := o.without(ctx)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", withoutFeed, err)
		}
		rows = append(rows, row)
	}
	const five = 5 * time.Minute
	return append(rows, Row{Source: "copied every 5 minutes", P50: five / 2, P99: five * 99 / 100, Max: five, Note: "by arithmetic"}), nil
}

const withoutFeed = "10-second cache"

func (o Options) wants(name string) bool {
	return len(o.Only) == 0 || slices.ContainsFunc(o.Only, func(s string) bool { return strings.HasPrefix(name, s) })
}

// stopwatch takes the time of changes. Each change of a drug has a greater figure,
// and a watcher that sees a later one has been told of the earlier.
type stopwatch struct {
	mu      sync.Mutex
	pending map[string][]begun
	took    []time.Duration
	arrived chan struct{}
}

type begun struct {
	onHand int64
	at     time.Time
}

func (w *stopwatch) start(drug string, onHand int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[drug] = append(w.pending[drug], begun{onHand, time.Now()})
}

func (w *stopwatch) seen(drug string, onHand int64) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.pending[drug]
	for len(list) > 0 && list[0].onHand <= onHand {
		w.took = append(w.took, now.Sub(list[0].at))
		list = list[1:]
	}
	w.pending[drug] = list
	select {
	case w.arrived <- struct{}{}:
	default:
	}
}

func (w *stopwatch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.took)
}

// await waits until n changes were seen.
func (w *stopwatch) await(ctx context.Context, n int) error {
	for w.count() < n {
		select {
		case <-w.arrived:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d changes were seen: %w", w.count(), n, ctx.Err())
		}
	}
	return nil
}

func (w *stopwatch) row(name string) Row {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.took)
	at := func(p float64) time.Duration { return w.took[int(p*float64(len(w.took)-1))] }
	return Row{Source: name, Changes: len(w.took), P50: at(0.5), P99: at(0.99), Max: at(1)}
}

// play lets changes happen, one every so often, and returns when a watcher has
// seen all.
func (o Options) play(ctx context.Context, h *house, changes int, change func(ctx context.Context, drug string, onHand int64) error) (*stopwatch, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(changes)*o.Every+time.Minute)
	defer cancel()
	w := &stopwatch{pending: map[string][]begun{}, arrived: make(chan struct{}, 1)}
	if err := h.watch(ctx, w.seen); err != nil {
		return nil, err
	}
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for i := range changes {
		onHand := int64(1000 + i)
		if err := h.his.SetStock(keyOf(i), onHand); err != nil {
			return nil, err
		}
		w.start(drug(i), onHand)
		if err := change(ctx, drug(i), onHand); err != nil {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return w, w.await(ctx, changes)
}

func (o Options) measure(ctx context.Context, s opener, dir string) (row Row, err error) {
	src, err := s.open(ctx, dir)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	h, err := openHouse(ctx)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	f, err := feedInto(h.gw, src, dir)
	if err != nil {
		return row, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() { cancel(); err = errors.Join(err, <-ended) }()
	for began := time.Now(); f.State().Phase != feed.Connected; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			return row, fmt.Errorf("no connection: %w", f.State().Err)
		}
	}
	w, err := o.play(ctx, h, o.Changes, src.commit)
	if err != nil {
		return row, err
	}
	if st := f.State(); st.Dead+st.Lost+st.Older > 0 {
		return row, fmt.Errorf("not all arrived: %+v", st)
	}
	return w.row(s.name), nil
}

// without is what a watcher has of the cache alone: each drug changes once, at
// another moment of its ten seconds.
func (o Options) without(ctx context.Context) (row Row, err error) {
	h, err := openHouse(ctx)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	o.Every = 10 * time.Second / drugs
	w, err := o.play(ctx, h, drugs, func(context.Context, string, int64) error { return nil })
	if err != nil {
		return row, err
	}
	return w.row(withoutFeed), nil
}
