package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// probe is one run.
type probe struct {
	Options
	caps    hisadapter.Capabilities // what the driver offers
	report  *Report
	current *Step
	key     hisadapter.Key
	reading hisadapter.Reading // of the first drug
	step    int64              // the smallest quantity in which it is sold
	spent   int64              // of MaxQty
	numbers int                // used so far
	debts   []*debt
	dates   []Exchange
	proven  proven
	doubled bool // the HIS applied a repeat
}

// proven is what was seen.
type proven struct {
	none, frozen, deducted bool // that find told
	batch                  int
	held                   bool // freeze, found, unfreeze, found
	ttl                    time.Duration
	ttlTold                bool
	net                    *bool // nil = not seen
	freezeAgain            *bool
	placeAgain             *bool
	needsFreeze            *bool
	cancel, listed, atomic bool
	lag                    *time.Duration
}

// Run probes. It blocks until all is done and undone; when ctx ends it goes on
// to the undoing at once. Its error says what is wrong with the options; whatever
// the HIS does is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &probe{
		Options: o, caps: o.Driver.Capabilities(), report: &Report{},
		key: hisadapter.Key{PharmacyID: o.PharmacyID, DrugID: o.DrugIDs[0]},
	}
	readable := p.reads(ctx)
	if readable {
		if o.Write {
			p.writes(ctx)
		} else {
			p.skip(Text{"预扣与下单", "freezes and orders"}, Text{"只读：未加 --write", "read only: without --write"})
		}
		p.ramp(ctx)
	}
	p.report.Interrupted = ctx.Err() != nil
	if readable {
		p.report.Proofs = p.proofs()
	}
	return p.report, nil
}

func (o *Options) check() error {
	var errs []error
	want := func(ok bool, words string) {
		if !ok {
			errs = append(errs, errors.New(words))
		}
	}
	want(o.PharmacyID != "", "the pharmacy is missing")
	want(len(o.DrugIDs) > 0 && !slices.Contains(o.DrugIDs, ""), "a drug is missing")
	seen := slices.Clone(o.DrugIDs)
	slices.Sort(seen)
	want(len(slices.Compact(seen)) == len(o.DrugIDs), "a drug stands twice")
	want(!slices.Contains(o.DrugIDs, o.Unknown), "the unknown drug is one of the known ones")
	want(!o.Place || o.Write, "an order is a write: it needs --write as well")
	want(!o.Write || o.MaxQty >= 1, "writing needs a largest quantity in all, in smallest units")
	want(o.MaxConcurrency >= 0 && o.MaxConcurrency <= 64, "the ceiling of the ramp is not between 0 and 64")
	want(!o.Write || len(o.Seed) >= 4, "writing needs a seed of at least 4 characters")
	if o.Write && o.Declared.HisNoMax > 0 && o.Declared.HisNoMax < len(numberPrefix)+len(o.Seed)+1 {
		errs = append(errs, fmt.Errorf("numbers of %d characters have no room for %s and what makes them new", o.Declared.HisNoMax, numberPrefix))
	}
	return errors.Join(errs...)
}

// try runs one step, unless the caller gave up.
func (p *probe) try(ctx context.Context, name Text, do func(s *Step)) {
	if ctx.Err() != nil {
		return
	}
	p.do(name, do)
}

// do runs one step, come what may.
func (p *probe) do(name Text, do func(s *Step)) {
	s := &Step{Name: name}
	p.current = s
	do(s)
	p.current = nil
	p.report.Steps = append(p.report.Steps, *s)
	if p.Progress != nil {
		p.Progress(*s)
	}
}

func (p *probe) skip(name, why Text) {
	p.do(name, func(s *Step) { s.end(Skipped, why) })
}

func (s *Step) end(v Verdict, found Text) { s.Verdict, s.Found = v, found }

// failed ends a step with an error of the HIS.
func (s *Step) failed(err error) { s.end(Failed, Text{err.Error(), err.Error()}) }

// heard puts the exchanges of a call into the step.
func (p *probe) heard(sent string, begun time.Time, err error) {
	var seen []Exchange
	if p.Exchanges != nil {
		seen = p.Exchanges()
	}
	for _, x := range seen {
		if !x.Date.IsZero() {
			p.dates = append(p.dates, x)
		}
		p.current.Calls = append(p.current.Calls, Call{Sent: x.Sent, Back: x.Back, Read: x.Rule, Took: x.Duration})
	}
	if len(seen) == 0 {
		p.current.Calls = append(p.current.Calls, Call{Sent: sent, Back: hisadapter.OutcomeOf(err).String(), Took: p.Now().Sub(begun)})
	}
}

// ask makes one call that changes nothing.
func (p *probe) ask(ctx context.Context, sent string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	begun := p.Now()
	err := call(ctx)
	p.heard(sent, begun, err)
	return err
}

// write makes one call that changes the HIS. It is not cut short when the caller
// gives up: its answer must be heard.
func (p *probe) write(ctx context.Context, sent string, call func(context.Context) error) error {
	return p.ask(context.WithoutCancel(ctx), sent, call)
}

// read reads one drug.
func (p *probe) read(ctx context.Context, key hisadapter.Key) (r hisadapter.Reading, err error) {
	err = p.ask(ctx, "query_stock "+key.DrugID, func(ctx context.Context) error {
		rs, err := p.Driver.QueryStock(ctx, []hisadapter.Key{key})
		if err == nil {
			r = rs[0]
		}
		return err
	})
	return r, err
}

// find asks what became of a number.
func (p *probe) find(ctx context.Context, hisNo string) (f hisadapter.Found, err error) {
	err = p.ask(ctx, "find_order "+hisNo, func(ctx context.Context) error {
		f, err = p.Driver.FindOrder(ctx, hisNo)
		return err
	})
	return f, err
}
