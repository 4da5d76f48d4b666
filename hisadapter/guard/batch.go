package guard

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"github.com/hisgate/hisgate/hisadapter"
)

// BatchError is the end of a QueryStock of which some keys were read and others
// were not. OutcomeOf reads the gravest of the failures.
type BatchError struct {
	// Readings are those of the keys that were read, in the order asked.
	Readings []hisadapter.Reading
	// Failed has the error of each key that was not.
	Failed map[hisadapter.Key]error

	worst error
}

// Error counts the failures and tells the gravest.
func (e *BatchError) Error() string {
	return fmt.Sprintf("%d of %d keys were not read: %v", len(e.Failed), len(e.Failed)+len(e.Readings), e.worst)
}

// Unwrap returns the gravest failure.
func (e *BatchError) Unwrap() error { return e.worst }

// QueryStock reads any number of keys, in batches of the driver's size, side by
// side. A batch that the HIS refuses is halved until the key at fault is alone,
// so that one bad drug does not fail the others [C6]; a drug of which an answer
// says what cannot be read fails alone.
//
// When every key was read it returns a reading for each in the order asked. When
// none was, it returns their error. When only some were, it returns no readings
// and a *BatchError that has them.
func (g *Guard) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	b := &batch{guard: g, keys: keys, readings: make([]hisadapter.Reading, len(keys)), errs: make([]error, len(keys))}
	var parts [][]int
	var company []int
	for i, k := range keys {
		if len(keys) > 1 && g.suspect.has(k) {
			parts = append(parts, []int{i}) // it spoiled a batch of late: alone
			continue
		}
		if company = append(company, i); len(company) == g.caps.BatchSize {
			parts, company = append(parts, company), nil
		}
	}
	if len(company) > 0 {
		parts = append(parts, company)
	}
	var wg sync.WaitGroup
	turn := make(chan struct{}, g.settings.MaxConcurrent)
	for _, part := range parts {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			b.read(ctx, part)
		})
	}
	wg.Wait()
	return b.result()
}

type batch struct {
	guard    *Guard
	keys     []hisadapter.Key
	readings []hisadapter.Reading
	errs     []error
}

// read fills in one part, halving it where it is refused. Each part writes only
// its own places.
func (b *batch) read(ctx context.Context, part []int) {
	// Enough halvings to find two or three keys at fault. A HIS that refuses
	// everything is not asked for each key.
	calls := 1 + 4*bits.Len(uint(len(part)))
	todo := [][]int{part}
	for len(todo) > 0 {
		group := todo[0]
		todo = todo[1:]
		calls--
		err := b.ask(ctx, group)
		if err == nil {
			continue
		}
		if hisadapter.OutcomeOf(err) != hisadapter.Refused || len(group) == 1 || calls < len(todo)+2 {
			for _, i := range group {
				b.errs[i] = ofOne(err, group)
			}
			if hisadapter.OutcomeOf(err) == hisadapter.Refused && len(group) == 1 {
				b.guard.suspect.add(b.keys[group[0]])
			}
			continue
		}
		// The halves go first, so that each look finds some keys at fault, which the
		// next look asks for alone, however many there are.
		half := len(group) / 2
		todo = append([][]int{group[:half], group[half:]}, todo...)
	}
}

// ofOne is what the refusal of a group says of one key in it: of which of them the
// HIS spoke is not known, so that it has no kind.
func ofOne(err error, group []int) error {
	e, ok := errors.AsType[*hisadapter.Error](err)
	if !ok || e.Outcome != hisadapter.Refused || len(group) == 1 {
		return err
	}
	blurred := *e
	blurred.Kind, blurred.Shortages = hisadapter.KindOther, nil
	return &blurred
}

func (b *batch) ask(ctx context.Context, group []int) error {
	keys := make([]hisadapter.Key, 0, len(group))
	for _, i := range group {
		keys = append(keys, b.keys[i])
	}
	g := b.guard
	got, err := do(ctx, g, g.querying(), func(ctx context.Context) ([]hisadapter.Reading, error) {
		got, err := g.driver.QueryStock(ctx, keys)
		if err != nil {
			return nil, err
		}
		return got, fitting(keys, got)
	})
	if err != nil {
		return err
	}
	for n, i := range group {
		b.readings[i], b.errs[i] = got[n], got[n].Err
		if got[n].Err == nil {
			g.known.Store(&keys[n])
		}
	}
	if len(keys) == 1 {
		g.suspect.clear(keys[0])
	}
	return nil
}

func (g *Guard) querying() operation {
	return operation{name: "QueryStock", timeout: g.settings.Timeouts.QueryStock, class: ClassQuery}
}

var errMisfit = errors.New("the readings are not those of the keys asked for")

// fitting checks that a figure cannot land on another drug.
func fitting(keys []hisadapter.Key, got []hisadapter.Reading) error {
	if len(got) != len(keys) {
		return errMisfit
	}
	for i := range keys {
		if got[i].Key != keys[i] {
			return errMisfit
		}
	}
	return nil
}

func (b *batch) result() ([]hisadapter.Reading, error) {
	e := &BatchError{Failed: make(map[hisadapter.Key]error)}
	for i, err := range b.errs {
		if err == nil {
			e.Readings = append(e.Readings, b.readings[i])
			continue
		}
		e.Failed[b.keys[i]] = err
		if e.worst == nil || hisadapter.OutcomeOf(err) > hisadapter.OutcomeOf(e.worst) {
			e.worst = err
		}
	}
	switch {
	case len(e.Failed) == 0:
		return b.readings, nil
	case len(e.Readings) == 0 && b.alike():
		return nil, e.worst
	default:
		return nil, e
	}
}

// alike reports whether all keys failed in the same way.
func (b *batch) alike() bool {
	for _, err := range b.errs {
		if hisadapter.OutcomeOf(err) != hisadapter.OutcomeOf(b.errs[0]) {
			return false
		}
	}
	return true
}
