package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// Driver reads one table. It implements feed.Driver.
type Driver struct {
	s     Settings
	words words
	now   func() time.Time
	looks bool // and writes no position
}

var _ feed.Looker = (*Driver)(nil)

// wakePause is the least time between two looks at the table, however often the
// source wakes us: at most 50 a second.
const wakePause = 20 * time.Millisecond

// follower is a way of finding changes.
type follower interface {
	// begin finds out where to go on. It is the first to touch the table.
	begin(ctx context.Context) error
	// poll brings at most one batch. more says that there may be more at once.
	poll(ctx context.Context) (more bool, err error)
	// save makes the position durable.
	save() error
}

// Run implements feed.Driver. It ends at the first error of the database.
func (d *Driver) Run(ctx context.Context, s feed.Sink) error {
	err := d.run(ctx, s)
	if ctx.Err() != nil {
		return nil
	}
	return d.s.Database.Redact(err)
}

// Look implements feed.Looker. It begins where the position stands, and moves it not.
func (d *Driver) Look(ctx context.Context, s feed.Sink) error {
	c := *d
	c.s.Keep, c.looks = 0, true
	return c.Run(ctx, s)
}

func (d *Driver) run(ctx context.Context, sink feed.Sink) (err error) {
	db, err := sqldb.Open(d.s.Database)
	if err != nil {
		return err
	}
	defer db.Close() // what it says is of no use: every statement has said what it had to
	r, err := d.connect(ctx, db)
	if err != nil {
		return err
	}
	defer r.conn.Close()

	wake := make(chan struct{}, 1)
	deaf, stop, err := d.listen(ctx, db, wake)
	if err != nil {
		return err
	}
	defer stop()

	f := d.follower(r, sink)
	if err := f.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.save()) }()
	sink.Connected()
	for {
		more, err := f.poll(ctx)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		if err := d.rest(ctx, wake, deaf); err != nil {
			return err
		}
	}
}

// connect takes the connection that reads.
func (d *Driver) connect(ctx context.Context, db *sql.DB) (*reader, error) {
	ctx, cancel := context.WithTimeout(ctx, d.s.Database.ConnectTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &reader{conn: conn, words: d.words, zone: d.s.Database.Zone, timeout: d.s.Database.StatementTimeout}, nil
}

// follower is the way of the settings.
func (d *Driver) follower(r *reader, sink feed.Sink) follower {
	if d.s.Mode == ByTime {
		return &byTime{d: d, r: r, sink: sink}
	}
	return &byID{d: d, r: r, sink: sink}
}

// rest waits until the table is to be read again.
func (d *Driver) rest(ctx context.Context, wake <-chan struct{}, deaf <-chan error) error {
	if err := pause(ctx, min(wakePause, d.s.Poll), nil, deaf); err != nil {
		return err
	}
	return pause(ctx, d.s.Poll-min(wakePause, d.s.Poll), wake, deaf)
}

// pause waits for a time, or until it is woken.
func pause(ctx context.Context, long time.Duration, wake <-chan struct{}, deaf <-chan error) error {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-deaf:
		return err
	case <-wake:
		return nil
	case <-t.C:
		return nil
	}
}

// reader sends statements over the one connection that reads.
type reader struct {
	conn    *sql.Conn
	words   words
	zone    *time.Location
	timeout time.Duration
}

// exec runs a statement and returns how many rows it touched.
func (r *reader) exec(ctx context.Context, words string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	res, err := r.conn.ExecContext(ctx, words, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// number asks for one whole number.
func (r *reader) number(ctx context.Context, words string, args ...any) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err = r.conn.QueryRowContext(ctx, words, args...).Scan(&n)
	return n, err
}

// clock asks for the database's time.
func (r *reader) clock(ctx context.Context) (time.Time, error) {
	rows, err := r.query(ctx, r.words.clock())
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the database's time: %w", err)
	}
	if len(rows) != 1 || len(rows[0].cells) != 1 {
		return time.Time{}, fmt.Errorf("asking for the database's time: %d rows", len(rows))
	}
	return rows[0].cells[0].AsTime(r.zone)
}
