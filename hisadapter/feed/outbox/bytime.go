package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// byTime follows a view by the time of the last modification. Each look begins the
// overlap before the latest time that was read, because a transaction may commit
// long after it took its time; what was seen of that stretch is remembered.
type byTime struct {
	d    *Driver
	r    *reader
	sink feed.Sink

	column string            // the type of the time column at the database
	latest time.Time         // modification that was read; never ahead of the database's clock
	seen   map[digest]copies // rows that were delivered and stand there yet
	rows   int               // of seen
	dirty  bool
	saved  time.Time
}

// copies are rows with the same content, as lots of a drug can have.
type copies struct {
	at time.Time
	n  int
}

// digest stands for the content of a row.
type digest [sha256.Size / 2]byte

// maxSeen bounds the rows that are remembered. More in one overlap are not
// followed.
const maxSeen = 200_000

// begin implements follower. Without a position it begins now: the view shows the
// whole stock, and nobody has read any of it yet.
func (b *byTime) begin(ctx context.Context) error {
	var err error
	if b.column, err = b.r.typeOf(ctx); err != nil {
		return fmt.Errorf("reading %s: %w", b.d.s.Table, err)
	}
	now, err := b.r.clock(ctx)
	if err != nil {
		return err
	}
	b.latest, b.seen = now, map[digest]copies{}
	if p := load(b.d.s.PositionFile, b.d.s.source()); p != nil && p.Since != nil && p.Since.Before(now) {
		b.latest = *p.Since
	}
	return nil
}

// typeOf asks for the type of the time column.
func (r *reader) typeOf(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	rows, err := r.conn.QueryContext(ctx, r.words.none())
	if err != nil {
		return "", err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return "", err
	}
	return strings.ToUpper(types[0].DatabaseTypeName()), rows.Err()
}

// poll implements follower. The clock of the database is asked for first: a row
// that is ahead of it (somebody's clock was wrong) is delivered, but nothing behind
// it is passed over.
func (b *byTime) poll(ctx context.Context) (more bool, err error) {
	now, err := b.r.clock(ctx)
	if err != nil {
		return false, err
	}
	since := b.latest.Add(-b.d.s.Overlap)
	for k, c := range b.seen {
		if c.at.Before(since) {
			b.forget(k, 0)
		}
	}
	// So many that the batch is full wherever there is enough that is new.
	limit := b.rows + b.sink.Batch
	rows, err := b.r.query(ctx, b.r.words.since(b.column), b.r.words.bind(since, b.column, b.d.s.Database.Zone), limit)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", b.d.s.Table, err)
	}
	full, there, err := b.deliver(ctx, rows, now)
	if err != nil {
		return false, err
	}
	if !full && len(rows) < limit { // it is all that there is: other rows have taken the place of the rest
		for k := range b.seen {
			b.forget(k, there[k])
		}
	}
	if b.rows > maxSeen {
		b.latest, b.dirty = now, true // the next Run begins there
		return false, fmt.Errorf("reading %s: more than %d rows were modified within the overlap (%v): it can go on when that is over", b.d.s.Table, maxSeen, b.d.s.Overlap)
	}
	if at := b.d.now(); at.Sub(b.saved) >= saveEvery {
		if err := b.save(); err != nil {
			return false, err
		}
	}
	return full || len(rows) == limit, nil
}

// forget leaves at most n copies of a row.
func (b *byTime) forget(k digest, n int) {
	c := b.seen[k]
	if n >= c.n {
		return
	}
	b.rows -= c.n - n
	if c.n = n; n == 0 {
		delete(b.seen, k)
	} else {
		b.seen[k] = c
	}
}

// deliver brings the rows that were not seen to the sink, at most a batch of them,
// and counts the copies of each row that there are.
func (b *byTime) deliver(ctx context.Context, rows []row, now time.Time) (full bool, there map[digest]int, err error) {
	type found struct {
		key digest
		at  time.Time
	}
	var fresh []found
	var batch []feed.Message
	there = make(map[digest]int, len(rows))
	for _, r := range rows {
		if full = len(batch) == b.sink.Batch; full {
			break
		}
		body := r.body()
		sum := sha256.Sum256(body)
		f := found{key: digest(sum[:len(digest{})])}
		if there[f.key]++; there[f.key] <= b.seen[f.key].n {
			continue
		}
		c, _ := r.column(b.d.s.TimeColumn)
		at, err := c.AsTime(b.d.s.Database.Zone)
		if err != nil {
			return false, nil, fmt.Errorf("reading %s: column %s: %w", b.d.s.Table, b.d.s.TimeColumn, err)
		}
		f.at = at
		fresh = append(fresh, f)
		batch = append(batch, feed.Message{
			ID: b.d.s.Table + "@" + hex.EncodeToString(f.key[:]), Body: body, ContentType: "application/json",
			Attributes: map[string]string{"table": b.d.s.Table}, At: at,
		})
	}
	if len(batch) == 0 {
		return false, there, nil
	}
	if err := b.sink.Deliver(ctx, batch); err != nil {
		return false, nil, err
	}
	for _, f := range fresh {
		b.seen[f.key] = copies{f.at, b.seen[f.key].n + 1}
		b.rows++
		if f.at.After(now) {
			f.at = now
		}
		if f.at.After(b.latest) {
			b.latest, b.dirty = f.at, true
		}
	}
	return full, there, nil
}

// save implements follower. A row that was read within the overlap is brought once
// more after a restart.
func (b *byTime) save() error {
	b.saved = b.d.now()
	if !b.dirty || b.d.looks {
		return nil
	}
	if err := store(b.d.s.PositionFile, position{Of: b.d.s.source(), Since: &b.latest}); err != nil {
		return err
	}
	b.dirty = false
	return nil
}
