package protect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/program"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Options of a run.
type Options struct {
	Program string // the file of hisgate; "" = nothing in between
	Dir     string // an empty folder
	Plan    []Phase
	Rounds  int // of the plan; further ones begin at its first trouble
	Seed    uint64
	Remarks io.Writer
}

// runner is a run under way.
type runner struct {
	Options
	his   *Hospital
	gate  *program.Program // nil without hisgate
	api   *through         // likewise
	crowd *crowd
	rec   recorder
	out   Run
	mu    sync.Mutex // of out.Timeline
}

// Do runs the plan. It takes as long as the plan says, and a few minutes more
// until the last outcome is known. Broken promises are in the Run; an error means
// that it could not be made.
func Do(ctx context.Context, o Options) (_ *Run, err error) {
	r := &runner{Options: o, out: Run{Guarded: o.Program != "", Begun: time.Now().UTC()}}
	if r.his, err = OpenHospital(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.his.Close()) }()
	r.crowd = &crowd{run: "P", seed: o.Seed, note: r.rec.note, backend: plainly(r.his.URL())}
	if r.out.Guarded {
		if r.gate, err = program.Start(o.Program, o.Dir, settingsFor(o.Dir, r.his.URL())); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, r.gate.Stop()) }()
		if r.api, err = dial(r.gate.GRPC); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, r.api.close()) }()
		r.crowd.backend = r.api
		if r.out.Start, err = vitalsOf(ctx, r.gate); err != nil {
			return nil, err
		}
	}
	over, end := context.WithCancel(ctx)
	var clock sync.WaitGroup
	clock.Go(func() { r.watch(over) })
	for round := range max(o.Rounds, 1) {
		for i, p := range o.Plan {
			if ctx.Err() == nil && (round == 0 || p.Mood != Well) {
				r.phase(ctx, fmt.Sprintf("%d%d", round, i), p)
			}
		}
	}
	end()
	clock.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if r.out.Guarded {
		if err := r.settle(ctx); err != nil {
			return nil, err
		}
	}
	r.out.Broken = append(r.out.Broken, r.out.promises()...)
	return &r.out, nil
}

// phase lets the crowd stand before a HIS in one mood, and then before a well one.
func (r *runner) phase(ctx context.Context, number string, p Phase) {
	fmt.Fprintf(r.Remarks, "%s: %v %s, then %v well\n", p.Name, p.For, p.Mood, p.After)
	mark := Mark{Name: p.Name, From: r.seconds()}
	r.his.Reset()
	stand, leave := context.WithTimeout(ctx, p.For+p.After)
	defer leave()
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.crowd.stand(stand, number, p.Crowd)
	}()
	s := Stretch{Name: p.Name, Mood: p.Mood, For: p.For}
	began := time.Now()
	s.Cold = r.trouble(ctx, p)
	end := time.Now()
	mark.Trouble = r.seconds()
	<-over
	mark.To = r.seconds()
	all := r.rec.take()
	s.HIS = r.his.Total()
	s.Read, s.Lock, s.Commit = waitsOf(all, reading, end), waitsOf(all, locking, end), waitsOf(all, confirming, end)
	for _, x := range all {
		if x.use == reading && x.stale && x.began.Before(end) {
			s.Stale++
		}
	}
	if p.Mood != Well {
		s.Back, s.Confirmed = back(all, end)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.out.Timeline[mark.From:] {
		s.Peak = max(s.Peak, m.HIS.Calls)
		s.End = m.Vitals
	}
	r.out.Phases, r.out.Marks = append(r.out.Phases, s), append(r.out.Marks, mark)
	fmt.Fprintf(r.Remarks, "  took %v; %s\n", time.Since(began).Round(time.Second), s.words())
}

// trouble lasts as long as the phase says. It returns the stock queries of the
// first five seconds.
func (r *runner) trouble(ctx context.Context, p Phase) (cold int) {
	set := func(m Mood) {
		if err := r.his.Set(m); err != nil {
			fmt.Fprintf(r.Remarks, "  the HIS cannot be %s: %v\n", m, err)
		}
	}
	if p.Mood != Flaps {
		set(p.Mood)
		wait(ctx, min(p.For, flapEvery))
		cold = r.his.Total().Queries
		wait(ctx, p.For-min(p.For, flapEvery))
	}
	for past := time.Duration(0); p.Mood == Flaps && past < p.For; past += flapEvery {
		if past/flapEvery%2 == 0 {
			set(Refuses)
		} else {
			set(Well)
		}
		wait(ctx, flapEvery)
	}
	set(Well)
	return cold
}

func (r *runner) seconds() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.out.Timeline)
}

// watch writes the timeline.
func (r *runner) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last vitals
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		m := r.rec.tick()
		m.HIS = r.his.Tick()
		if r.gate != nil {
			if v, err := vitalsOf(ctx, r.gate); err == nil {
				last = v
			}
			m.Vitals = last
		}
		r.mu.Lock()
		r.out.Timeline = append(r.out.Timeline, m)
		r.mu.Unlock()
	}
}

// settlePatience is how long outcomes may stay unknown after the HIS is back: the
// grace time, and the longest pause between two looks.
const settlePatience = 6 * time.Minute

// settle waits until no outcome is unknown, and holds the books of hisgate
// against those of the HIS.
func (r *runner) settle(ctx context.Context) error {
	fmt.Fprintln(r.Remarks, "waiting until no outcome is unknown")
	limit := time.Now().Add(settlePatience)
	for {
		v, err := vitalsOf(ctx, r.gate)
		if err != nil {
			return err
		}
		r.out.Rest = v
		if v.Unknown+v.Work == 0 || time.Now().After(limit) || ctx.Err() != nil {
			break
		}
		wait(ctx, time.Second)
	}
	// The goroutines of connections and pauses that nobody uses now end first.
	for range 30 {
		wait(ctx, time.Second)
		v, err := vitalsOf(ctx, r.gate)
		if err != nil {
			return err
		}
		v.HeapMiB = min(v.HeapMiB, r.out.Rest.HeapMiB)
		r.out.Rest = v
	}
	return r.audit(ctx)
}

// audit holds every confirmed lock against an order of the HIS.
func (r *runner) audit(ctx context.Context) error {
	orders, err := r.his.Orders()
	if errors.Is(err, errUnsound) {
		r.out.Broken = append(r.out.Broken, err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	stream, err := r.api.ops.ExportLedger(ctx, &hisgatev1.ExportLedgerRequest{IncludeEnded: true})
	if err != nil {
		return err
	}
	b := &Books{}
	r.out.Books = b
	for {
		l, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch l.GetStatus() {
		case hisgatev1.Lock_CONFIRMED:
			b.Confirmed++
			if !orders[l.GetHisNo()] {
				b.Missing++
			}
			delete(orders, l.GetHisNo())
		case hisgatev1.Lock_PENDING, hisgatev1.Lock_CONFIRMING, hisgatev1.Lock_RELEASING:
			b.Unsettled++
		}
	}
	b.Uncounted = len(orders)
	return nil
}
