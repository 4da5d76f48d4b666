package sqlhis

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// session is one connection for one attempt of a call: to the database, or to
// what was recorded of it.
type session interface {
	begin(ctx context.Context, op *operation) error
	ask(ctx context.Context, s *step, words string, args []any) (answer, error)
	commit(ctx context.Context) error
	rollback(ctx context.Context) error
	stands(ctx context.Context) bool // as of transaction

	// close gives the connection back. One that is not clean may be in the middle
	// of something, and is thrown away.
	close(clean bool)
}

// pinned is a connection to the database.
type pinned struct {
	d    *Driver
	conn *sql.Conn
	tx   transaction // nil before begin
}

// connect takes a connection that is alive. Its error says that nothing of ours
// was sent.
func (d *Driver) connect(ctx context.Context, op string) (session, error) {
	conn, err := d.pin(ctx, op)
	if err != nil {
		return nil, err
	}
	return &pinned{d: d, conn: conn}, nil
}

// pin finds out by a ping what went stale in the pool, before anything of ours is
// sent over it. A read asks for the server's time as well, now and then.
func (d *Driver) pin(ctx context.Context, op string) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.m.connection.ConnectTimeout)
	defer cancel()
	for try := 0; ; try++ {
		conn, err := d.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		err = conn.PingContext(ctx)
		if err == nil && (op == opQuery || op == opFind) {
			err = d.measure(ctx, conn)
		}
		if err == nil {
			return conn, nil
		}
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
		if ctx.Err() != nil || try > d.m.connection.MaxOpen {
			return nil, err
		}
	}
}

func (p *pinned) begin(ctx context.Context, op *operation) (err error) {
	p.tx, err = p.d.dialect.begin(ctx, p.conn, op.isolation, !op.writes())
	return err
}

func (p *pinned) commit(ctx context.Context) error   { return p.tx.commit(ctx) }
func (p *pinned) rollback(ctx context.Context) error { return p.tx.rollback(ctx) }
func (p *pinned) stands(ctx context.Context) bool    { return p.tx.stands(ctx) }

func (p *pinned) close(clean bool) {
	if !clean {
		_ = p.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = p.conn.Close()
}

// ask sends one statement and reads its answer whole, within the time of a
// statement.
func (p *pinned) ask(ctx context.Context, s *step, words string, args []any) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.d.m.timeout)
	defer cancel()
	if !s.query {
		res, err := p.conn.ExecContext(ctx, words, args...)
		if err != nil {
			return answer{}, err
		}
		if a.count, err = res.RowsAffected(); err != nil {
			a.count = -1
		}
		return a, nil
	}
	rows, err := p.conn.QueryContext(ctx, words, args...)
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if a.table, err = readTable(rows, p.d.m.maxRows, p.d.m.zone); err != nil {
		return answer{}, err
	}
	// A procedure may answer with several sets: the first counts, and an error
	// that comes behind it is still an error.
	for rows.NextResultSet() {
		if len(a.table.columns) == 0 {
			if a.table, err = readTable(rows, p.d.m.maxRows, p.d.m.zone); err != nil {
				return answer{}, err
			}
		}
	}
	a.count = int64(len(a.table.rows))
	return a, rows.Err()
}
