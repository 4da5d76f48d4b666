package sqlhis

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// run takes a call to its end. In a transaction of ours a deadlock or a
// serialization failure is tried again while ctx lasts: the database rolled the
// transaction back and COMMIT was never sent, so nothing was done.
func (d *Driver) run(ctx context.Context, c *call) (*execution, error) {
	for try := 0; ; try++ {
		x := d.execution(c)
		err := x.divisible()
		if err != nil {
			return nil, x.refuseBefore(err)
		}
		again, err := x.once(ctx)
		if err == nil {
			return x, nil
		}
		if !again || try >= d.m.retries || !pause(ctx, try) {
			return nil, err
		}
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
	conn, err := x.d.pin(ctx)
	if err != nil {
		return false, x.notBegun(ctx, err)
	}
	clean := false
	defer func() {
		if !clean {
			// What the connection is in the middle of is unknown.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		_ = conn.Close()
	}()

	op := x.call.op
	if op.tx != "driver" {
		end := x.steps(ctx, conn)
		// A procedure that failed may have left its own transaction open.
		clean = end.clean && (end.err == nil || op.tx == "none")
		if end.err == nil {
			end.err = x.read(ctx)
		}
		return false, end.err
	}

	tx, err := x.d.dialect.begin(ctx, conn, op.isolation, !op.writes())
	if err != nil {
		return false, x.notBegun(ctx, err)
	}
	end := x.steps(ctx, conn)
	if end.err == nil {
		end.err = x.read(ctx)
	}
	if end.err != nil {
		clean = end.clean && ctx.Err() == nil && tx.rollback(ctx) == nil
		return end.again, end.err
	}
	if err := tx.commit(ctx); err != nil {
		return false, x.unknown(ctx, err) // even if the database spoke: COMMIT was sent
	}
	clean = true
	return false, nil
}

// read is conclude with its error as the call's end: an answer that fits no rule.
func (x *execution) read(ctx context.Context) error {
	if err := x.conclude(); err != nil {
		return x.unknown(ctx, err)
	}
	return nil
}

// pin takes a connection that is alive. One that went stale in the pool is found
// out by a ping, before anything of ours is sent over it.
func (d *Driver) pin(ctx context.Context) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.m.connection.ConnectTimeout)
	defer cancel()
	for try := 0; ; try++ {
		conn, err := d.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		if err = conn.PingContext(ctx); err == nil {
			return conn, nil
		}
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
		if ctx.Err() != nil || try > d.m.connection.MaxOpen {
			return nil, err
		}
	}
}

// end is how the steps ended.
type end struct {
	err   error // nil = done
	again bool
	clean bool // the connection is in a known state
}

// steps runs the statements in order; a step for each line, line by line.
func (x *execution) steps(ctx context.Context, conn *sql.Conn) end {
	for _, s := range x.call.op.steps {
		lines := []*lineValues{nil}
		if s.perLine {
			lines = x.lines
		}
		for _, line := range lines {
			goOn, e := x.step(ctx, conn, s, line)
			if !goOn {
				return e
			}
		}
	}
	return end{clean: true}
}

// step sends one statement and reads what it means.
func (x *execution) step(ctx context.Context, conn *sql.Conn, s *step, line *lineValues) (goOn bool, e end) {
	outs := map[string]*string{}
	words, args, err := expand(x.d.dialect, s, x.d.m.zone, func(name string) (value, error) { return x.lookup(name, line) }, outs)
	if err != nil {
		return false, end{err: x.refuseBetween(ctx, err), clean: true}
	}
	x.sent = x.sent || !s.asksRatio()
	x.fitting = nil
	begun := time.Now()
	a, err := x.d.ask(ctx, conn, s, words, args)
	if x.d.watch != nil {
		defer func() { x.d.watch(x.seen(s, line, words, args, a, err, e.err, time.Since(begun))) }()
	}
	if err != nil {
		return false, x.failed(ctx, s, err)
	}
	a.outs = outs
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
	e := &hisadapter.Error{Op: portName(x.call.op.name), Outcome: hisadapter.NotSent, Err: x.d.m.connection.Redact(because(ctx, err))}
	if f, ok := x.d.dialect.fault(err); ok {
		e.Code, e.Message = f.code(), f.message
		switch f.class {
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
	if f, ok := x.d.dialect.fault(err); ok {
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
