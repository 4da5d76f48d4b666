package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// A gap is given up when nothing can appear in it any more:
//
//	noticed ──Settings.Overlap──► due ──as the database says──► over
//	                               │
//	             nobody can say ───┘
//
// The time is for ids that were fetched from a sequence beforehand. What comes
// after it is for transactions that have their id and are held open, however long.

// openings are the transactions that were open when gaps had become due. The gaps
// share them.
type openings struct {
	since time.Time
	// held are those that have not ended yet, by PostgreSQL's virtual numbers, which
	// transactions have that have written nothing too.
	held map[string]bool
	// mark is above the numbers of all transactions that had begun to write when held
	// was empty; 0 = it is not. One that was prepared (in two phases) has a number, but
	// no virtual one any more.
	mark int64
}

const (
	askEvery = time.Second // PostgreSQL for its open transactions
	// mostIdle bounds how long it is waited for transactions that have written
	// nothing: sessions that somebody forgot stand open for weeks.
	mostIdle = time.Hour
)

// openNow asks PostgreSQL which transactions are open but ours. Everybody may.
const openNow = "SELECT virtualxid FROM pg_locks WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND pid <> pg_backend_pid()"

// over says of which of these gaps no row can appear from now on. It must be asked
// for before they are looked at.
func (b *byID) over(ctx context.Context, looked []gap, now time.Time) (func(gap) bool, error) {
	due := func(g gap) bool { return now.Sub(g.since) >= b.d.s.Overlap }
	switch {
	case !slices.ContainsFunc(looked, due):
		return func(gap) bool { return false }, nil
	case b.marks:
		if err := b.ask(ctx, now, due); err != nil {
			return nil, fmt.Errorf("asking for open transactions: %w", err)
		}
		return func(g gap) bool { return g.open != nil && g.open.mark != 0 && g.open.mark <= b.ended }, nil
	case b.r.words.dialect == sqldb.MySQL, b.r.words.dialect == sqldb.SQLServer:
		return b.empty(ctx, looked, due)
	default:
		return due, nil
	}
}

// ask moves the gaps that are due on by what PostgreSQL says of its transactions.
func (b *byID) ask(ctx context.Context, now time.Time, due func(gap) bool) error {
	if now.Sub(b.askedAt) < askEvery {
		return nil
	}
	b.askedAt = now
	open, err := b.r.openNow(ctx)
	if err != nil {
		return err
	}
	fresh := &openings{since: now, held: open}
	var mark int64
	var last *openings
	for i := range b.tail.gaps {
		g := &b.tail.gaps[i]
		if !due(*g) { // nor are those behind it, which were noticed later
			break
		}
		if g.open == nil {
			g.open = fresh
		}
		if g.open == last || g.open.mark != 0 {
			continue
		}
		last = g.open
		for id := range last.held {
			if !open[id] {
				delete(last.held, id)
			}
		}
		if len(last.held) > 0 && now.Sub(last.since) < mostIdle {
			continue
		}
		if mark == 0 {
			// It takes a number of its own: the snapshot's upper end would not do, as
			// it is that of the last transaction that ended.
			if mark, err = b.r.number(ctx, "SELECT txid_current()"); err != nil {
				return err
			}
		}
		last.mark = mark
	}
	b.ended, err = b.r.number(ctx, "SELECT txid_snapshot_xmin(txid_current_snapshot())")
	return err
}

// openNow asks which transactions are open.
func (r *reader) openNow(ctx context.Context) (map[string]bool, error) {
	rows, err := r.query(ctx, openNow)
	if err != nil {
		return nil, err
	}
	open := make(map[string]bool, len(rows))
	for _, row := range rows {
		open[row.cells[0].String()] = true
	}
	return open, nil
}

// marks reports whether the database can say which transactions are open: it is
// PostgreSQL, and neither a standby nor a kin without these functions.
func (r *reader) marks(ctx context.Context) bool {
	if r.words.dialect != sqldb.Postgres {
		return false
	}
	n, err := r.number(ctx, "SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE txid_snapshot_xmin(txid_current_snapshot()) END")
	if err != nil || n <= 0 {
		return false
	}
	_, err = r.openNow(ctx)
	return err == nil
}

// empty says in which of the gaps that are due there is no row, not even one that
// somebody has written and not committed.
func (b *byID) empty(ctx context.Context, looked []gap, due func(gap) bool) (func(gap) bool, error) {
	var empty []gap
	rest := slices.DeleteFunc(slices.Clone(looked), func(g gap) bool { return !due(g) })
	for len(rest) > 0 {
		some := rest[:min(gapSpans, len(rest))]
		rest = rest[len(some):]
		rows, err := b.r.uncommitted(ctx, b.spans(some)...)
		if err != nil {
			return nil, fmt.Errorf("reading what is not committed in %s: %w", b.d.s.Table, err)
		}
		if len(rows) == b.sink.Batch {
			continue // there is plenty in these
		}
		ids := make([]int64, len(rows))
		for i, r := range rows {
			if ids[i], err = r.id(r.columns[0]); err != nil {
				return nil, fmt.Errorf("reading %s: %w", b.d.s.Table, err)
			}
		}
		for _, g := range some {
			if !slices.ContainsFunc(ids, func(id int64) bool { return g.low <= id && id <= g.high }) {
				empty = append(empty, g)
			}
		}
	}
	return func(g gap) bool { return inside(g, empty) }, nil
}

// uncommitted reads the ids in spans, also of rows that are not committed. The next
// statement reads again what is.
func (r *reader) uncommitted(ctx context.Context, args ...any) ([]row, error) {
	words := r.words.unsettled().within(r.words.id, gapSpans)
	if r.words.dialect == sqldb.SQLServer { // by a hint: the level would stay with the session
		return r.query(ctx, words, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	tx, err := r.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadUncommitted})
	if err != nil {
		return nil, err
	}
	rows, err := r.read(ctx, tx, words, args...)
	return rows, errors.Join(err, tx.Rollback())
}
