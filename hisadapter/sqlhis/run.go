package sqlhis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// run takes a call to its end. In a transaction of ours a deadlock or a
// serialization failure is tried again while ctx lasts: the database rolled the
// transaction back and COMMIT was never sent, so nothing was done.
func (d *Driver) run(ctx context.Context, c *call) (*execution, error) {
	var before error
	for try := 0; ; try++ {
		x := d.execution(c)
		err := x.divisible()
		if err != nil {
			return nil, x.refuseBefore(err)
		}
		again, err := x.once(ctx)
		switch {
		case err == nil:
			return x, nil
		case before != nil && hisadapter.OutcomeOf(err) == hisadapter.NotSent:
			return nil, before // which says more than that there was no second try
		case !again || try >= d.m.retries || !pause(ctx, try):
			return nil, err
		}
		before = err
	}
}

// pause waits a little, so that two that met do not meet again. It reports false
// when ctx ends.
func pause(ctx context.Context, try int) bool {
	t := time.NewTimer(time.Duration(1+rand.IntN(10<<min(try, 4))) * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// once is one attempt on one connection. again says that nothing was done and
// that the same may be tried at once.
func (x *execution) once(ctx context.Context) (again bool, err error) {
	if x.d.record != nil {
		x.exchange = &Exchange{Op: x.call.op.name, At: x.d.now()}
		begun := time.Now()
		defer func() {
			x.exchange.Duration, x.exchange.Outcome = time.Since(begun), hisadapter.OutcomeOf(err)
			if err != nil {
				x.exchange.Err = err.Error()
			}
			x.d.record(*x.exchange)
		}()
	}
	s, err := x.d.session(ctx, x.call.op.name)
	if err != nil {
		x.note(func(e *Exchange) { e.Connect = x.failure(ctx, err) })
		return false, x.notBegun(ctx, err)
	}
	clean := false // what the connection is in the middle of is unknown
	defer func() { s.close(clean) }()

	op := x.call.op
	if op.tx != "driver" {
		end := x.steps(ctx, s)
		// A procedure that failed may have left its own transaction open.
		clean = end.clean && (end.err == nil || op.tx == "none")
		if end.err == nil {
			end.err = x.read(ctx)
		}
		return false, end.err
	}

	if err := s.begin(ctx, op); err != nil {
		x.note(func(e *Exchange) { e.Begin = x.failure(ctx, err) })
		return false, x.notBegun(ctx, err)
	}
	end := x.steps(ctx, s)
	if end.err == nil {
		end.err = x.read(ctx)
	}
	if end.told && op.writes() && !s.stands(ctx) {
		x.note(func(e *Exchange) { e.Ended = true })
		end.err = x.unknown(ctx, fmt.Errorf("the transaction was over before it could be rolled back, and what was done in it stays: "+
			"a procedure commits by itself; write tx: own (mapping line %d): %w", op.line, end.err))
	}
	if end.err != nil {
		clean = end.clean && ctx.Err() == nil && s.rollback(ctx) == nil
		return end.again, end.err
	}
	if err := s.commit(ctx); err != nil {
		x.note(func(e *Exchange) { e.Commit = x.failure(ctx, err) })
		return false, x.unknown(ctx, err) // even if the database spoke: COMMIT was sent
	}
	clean = true
	return false, nil
}

// note puts something into the exchange, where one is recorded.
func (x *execution) note(put func(*Exchange)) {
	if x.exchange != nil {
		put(x.exchange)
	}
}

// read is conclude with its error as the call's end: an answer that fits no rule.
func (x *execution) read(ctx context.Context) error {
	if err := x.conclude(); err != nil {
		return x.unknown(ctx, err)
	}
	return nil
}

// end is how the steps ended.
type end struct {
	err   error // nil = done
	again bool
	clean bool // the connection is in a known state
	told  bool // err is what an answer says, and not an error of the database
}

// steps runs the statements in order; a step for each line, line by line.
func (x *execution) steps(ctx context.Context, on session) end {
	for _, s := range x.call.op.steps {
		lines := []*lineValues{nil}
		if s.perLine {
			lines = x.lines
		}
		for _, line := range lines {
			goOn, e := x.step(ctx, on, s, line)
			if !goOn {
				return e
			}
		}
	}
	return end{clean: true}
}

// step sends one statement and reads what it means.
func (x *execution) step(ctx context.Context, on session, s *step, line *lineValues) (goOn bool, e end) {
	outs := map[string]*string{}
	words, args, err := expand(x.d.dialect, s, x.d.m.zone, func(name string) (value, error) { return x.lookup(name, line) }, outs)
	if err != nil {
		return false, end{err: x.refuseBetween(ctx, fmt.Errorf("(mapping line %d) %w", s.line, err)), clean: true}
	}
	x.sent = x.sent || !s.asksRatio()
	x.fitting = nil
	begun := time.Now()
	a, err := on.ask(ctx, s, words, args)
	if a.outs == nil && err == nil {
		a.outs = outs
	}
	if x.d.watch != nil || x.exchange != nil {
		failed, took := x.failure(ctx, err), time.Since(begun)
		defer func() {
			st := x.seen(s, line, words, args, a, failed, e.err, took)
			x.note(func(e *Exchange) { e.Statements = append(e.Statements, st) })
			if x.d.watch != nil {
				x.d.watch(st)
			}
		}()
	}
	if err != nil {
		return false, x.failed(ctx, s, err)
	}
	if s.query {
		x.table = a.table
	}
	if err := x.keep(s, a, line); err != nil {
		return false, end{err: x.misfit(err), clean: true}
	}
	return x.judge(ctx, s, a, line)
}

// notBegun is the end of a call of which no statement was sent.
func (x *execution) notBegun(ctx context.Context, err error) error {
	e := &hisadapter.Error{Op: portName(x.call.op.name), Outcome: hisadapter.NotSent, Err: x.d.redact(because(ctx, err))}
	if f, ok := x.d.fault(err); ok {
		e.Code, e.Message = f.code(), f.message
		switch x.d.dialect.class(f) {
		case full:
			e.Outcome = hisadapter.Busy
		case wrong:
			e.Outcome = hisadapter.Misconfigured
		}
	}
	return e
}

func (x *execution) unknown(ctx context.Context, err error) error {
	e := &hisadapter.Error{Op: portName(x.call.op.name), Outcome: hisadapter.Unknown, Err: because(ctx, err)}
	if f, ok := x.d.fault(err); ok {
		e.Code, e.Message = f.code(), f.message
	}
	return e
}

// because adds that the caller gave up, where it did.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return errors.Join(context.Cause(ctx), err)
}

func (f fault) code() string {
	if f.number != "" {
		return f.number
	}
	return f.state
}
