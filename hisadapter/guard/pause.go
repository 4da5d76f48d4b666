package guard

import (
	"errors"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// pauses stops operations that the HIS calls misconfigured. They are counted by
// operation: a freeze that was never opened says nothing about readings.
type pauses struct {
	pause time.Duration
	after int
	hook  func(*hisadapter.Error)

	mu  sync.Mutex
	ops map[string]*paused
}

type paused struct {
	inRow int
	until time.Time
	last  hisadapter.Error
}

// check returns the error of a paused operation, or nil.
func (p *pauses) check(op string, c Class) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.ops[op]
	if o == nil || !time.Now().Before(o.until) {
		return nil
	}
	e := o.last
	e.RetryAfter = max(time.Until(o.until), minRetryAfter)
	e.Err = &Rejection{Cause: CauseMisconfigured, Class: c, Err: o.last.Err}
	return &e
}

// learn counts an answer of the HIS. NotSent, Busy and Unknown tell nothing.
func (p *pauses) learn(op string, err error) {
	switch hisadapter.OutcomeOf(err) {
	case hisadapter.Done, hisadapter.Refused, hisadapter.Find:
		p.mu.Lock()
		defer p.mu.Unlock()
		if o := p.ops[op]; o != nil {
			o.inRow = 0
		}
	case hisadapter.Misconfigured:
		e, ok := errors.AsType[*hisadapter.Error](err)
		if !ok {
			return
		}
		p.mu.Lock()
		o := p.ops[op]
		if o == nil {
			o = &paused{}
			p.ops[op] = o
		}
		o.last = *e
		if o.inRow++; o.inRow >= p.after {
			// Still wrong after the pause: the first answer pauses again.
			o.until = time.Now().Add(p.pause)
		}
		p.mu.Unlock()
		if p.hook != nil {
			p.hook(e)
		}
	}
}
