package outbox

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// byID follows an outbox by its ids.
type byID struct {
	d    *Driver
	r    *reader
	sink feed.Sink

	tail     tail
	lastTime string // the change time of row tail.max, as far as it is known
	base     int64  // is added to ids, so that sequences rise where ids began anew
	turn     int64  // where the turn of the older gaps stands
	marks    bool   // PostgreSQL says which transactions are still open
	ended    int64  // all transactions with numbers below have ended, it said
	dirty    bool   // the tail is not what stands in the file
	cleanTo  int64  // the floor that stands in the file: rows up to it may be deleted

	savedAt, checkedAt, countedAt, cleanedAt, askedAt time.Time
}

const (
	saveEvery  = time.Second       // the position; a crash repeats no more than this
	checkEvery = time.Minute       // that the table is still the same
	countEvery = 5 * time.Second   // the rows that wait
	cleanEvery = time.Minute       // rows that were consumed
	cleanRows  = 1000              // deleted by one statement
	mostWaits  = 100_000           // rows that are counted
	gapSpans   = 16                // gaps in one statement
	gapPages   = 8                 // statements about gaps in one poll
	anyRow     = math.MinInt64 + 1 // below every id
)

// begin implements follower.
func (b *byID) begin(ctx context.Context) error {
	b.tail = start()
	b.cleanTo = math.MinInt64
	if p := load(b.d.s.PositionFile, b.d.s.source()); p != nil {
		b.tail, b.lastTime, b.base = p.tail(b.d.now()), p.At, p.Base
		b.cleanTo = b.tail.floor()
	}
	b.marks = b.r.marks(ctx)
	return b.check(ctx)
}

// check holds the newest row that was read to be still there. Where it is not, the
// table was emptied, made anew or restored, and ids may have begun anew with it:
// what stands there is read from the beginning.
func (b *byID) check(ctx context.Context) error {
	b.checkedAt = b.d.now()
	rows, err := b.r.query(ctx, b.r.words.oneRow(), max(b.tail.max, anyRow), 1)
	if err != nil && !dataError(err) {
		return fmt.Errorf("reading %s: %w", b.d.s.Table, err)
	}
	if err != nil || b.tail.max == math.MinInt64 {
		return nil
	}
	if len(rows) == 0 || b.lastTime != "" && b.changedAt(rows[0]) != b.lastTime {
		b.base += max(b.tail.max, 0)
		b.tail, b.lastTime, b.cleanTo, b.dirty = start(), "", math.MinInt64, true
		b.sink.Missed("the newest row that was read of " + b.d.s.Table + " is not there any more: it was emptied, restored or made anew, and is read from its beginning")
	}
	return nil
}

// changedAt is a row's change time as text; empty where there is none.
func (b *byID) changedAt(r row) string {
	c, _ := r.column(b.d.s.TimeColumn)
	return c.String()
}

// poll implements follower: what came late first, then what is new.
func (b *byID) poll(ctx context.Context) (more bool, err error) {
	now := b.d.now()
	if now.Sub(b.checkedAt) >= checkEvery {
		if err := b.check(ctx); err != nil {
			return false, err
		}
	}
	late, err := b.late(ctx, now)
	if err != nil {
		return false, err
	}
	rows, err := b.r.pageOf(ctx, b.r.words.after("*"), b.r.words.after(b.r.words.id), b.tail.max, b.sink.Batch)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", b.d.s.Table, err)
	}
	if err := b.deliver(ctx, rows, now); err != nil {
		return false, err
	}
	full := len(rows) == b.sink.Batch
	if err := b.count(ctx, full); err != nil {
		return false, err
	}
	if now.Sub(b.savedAt) >= saveEvery {
		if err := b.save(); err != nil {
			return false, err
		}
	}
	if more = full || late; more {
		return true, nil
	}
	return false, b.clean(ctx)
}

// late looks for rows in the gaps, and gives those gaps up where nothing can
// appear any more. more says that a batch was full.
func (b *byID) late(ctx context.Context, now time.Time) (more bool, err error) {
	if len(b.tail.gaps) == 0 {
		return false, nil
	}
	looked := b.tail.choose(gapSpans*gapPages, &b.turn)
	over, err := b.over(ctx, looked, now)
	if err != nil {
		return false, err
	}
	for len(looked) > 0 {
		some := looked[:min(gapSpans, len(looked))]
		looked = looked[len(some):]
		w := b.r.words
		rows, err := b.r.pageOf(ctx, w.within("*", gapSpans), w.within(w.id, gapSpans), b.spans(some)...)
		if err != nil {
			return false, fmt.Errorf("reading %s: %w", b.d.s.Table, err)
		}
		if err := b.deliver(ctx, rows, now); err != nil {
			return false, err
		}
		if len(rows) == b.sink.Batch {
			return true, nil
		}
		before := len(b.tail.gaps)
		b.tail.forget(func(g gap) bool { return inside(g, some) && over(g) })
		b.dirty = b.dirty || len(b.tail.gaps) != before
	}
	return false, nil
}

// spans are the parameters of a page of rows in some gaps.
func (b *byID) spans(some []gap) []any {
	args := make([]any, 0, 2*gapSpans+1)
	for i := range gapSpans { // always as many, so that it is the same statement
		s := span{0, -1} // nothing
		if i < len(some) {
			s = some[i].span
		}
		args = append(args, s.low, s.high)
	}
	return append(args, b.sink.Batch)
}

// inside reports whether a gap is one of some, or what is left of one.
func inside(g gap, some []gap) bool {
	return slices.ContainsFunc(some, func(s gap) bool { return s.low <= g.low && g.high <= s.high })
}

// deliver brings rows to the sink, and notes them when they took effect.
func (b *byID) deliver(ctx context.Context, rows []row, now time.Time) error {
	batch, ids := make([]feed.Message, 0, len(rows)), make([]int64, 0, len(rows))
	newest := b.lastTime
	for _, r := range rows {
		id, err := r.id(b.d.s.IDColumn)
		if err != nil {
			return fmt.Errorf("reading %s: %w", b.d.s.Table, err)
		}
		if !b.tail.missing(id) {
			continue
		}
		if id > b.tail.max {
			newest = b.changedAt(r)
		}
		ids = append(ids, id)
		batch = append(batch, b.message(r, id))
	}
	if len(batch) == 0 {
		return nil
	}
	if err := b.sink.Deliver(ctx, batch); err != nil {
		return err
	}
	for _, id := range ids {
		b.tail.read(id, now)
	}
	b.lastTime, b.dirty = newest, true
	return nil
}

func (b *byID) message(r row, id int64) feed.Message {
	m := feed.Message{
		ID: b.d.s.Table + "/" + strconv.FormatInt(id, 10), Body: r.body(), ContentType: "application/json",
		Attributes: map[string]string{"table": b.d.s.Table},
	}
	if c, ok := r.column(b.d.s.TimeColumn); ok {
		if t, err := c.AsTime(b.d.s.Database.Zone); err == nil {
			m.At = t
		}
	}
	if b.d.s.Ordered {
		m.Sequence = b.base + id
	}
	return m
}

// count tells the sink how many rows wait, now and then while there are many.
func (b *byID) count(ctx context.Context, full bool) error {
	if !full {
		b.sink.Lag(0)
		return nil
	}
	now := b.d.now()
	if now.Sub(b.countedAt) < countEvery {
		return nil
	}
	b.countedAt = now
	n, err := b.r.number(ctx, b.r.words.waiting(), b.tail.max, mostWaits)
	if err != nil {
		return fmt.Errorf("counting what waits: %w", err)
	}
	b.sink.Lag(n)
	return nil
}

// clean deletes rows that were consumed, where that is permitted: of those that
// the position on disk is past, and never the newest, which says where to go on
// and keeps ids from beginning anew.
func (b *byID) clean(ctx context.Context) error {
	now := b.d.now()
	if b.d.s.Keep == 0 || b.cleanTo == math.MinInt64 || now.Sub(b.cleanedAt) < cleanEvery {
		return nil
	}
	n, err := b.r.exec(ctx, b.r.words.clean(b.d.s.Keep), b.cleanTo-1, cleanRows)
	if err != nil {
		return fmt.Errorf("keep: deleting consumed rows: %w", err)
	}
	if n < cleanRows {
		b.cleanedAt = now
	}
	return nil
}

// save implements follower.
func (b *byID) save() error {
	b.savedAt = b.d.now()
	if !b.dirty || b.d.looks {
		return nil
	}
	p := positionOf(b.d.s.source(), b.tail, b.lastTime)
	p.Base = b.base
	if err := store(b.d.s.PositionFile, p); err != nil {
		return err
	}
	b.dirty, b.cleanTo = false, b.tail.floor()
	return nil
}
