package systems

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/internal/privateserver"
)

//go:embed postgres.sql
var postgresSchema string

// Postgres is a private PostgreSQL with one stored function for each call, which
// is one transaction and one round trip.
type Postgres struct {
	dir    string
	server *privateserver.Server
	dsn    string
}

// postgresConfig leaves durability as it is by default, and spares it what would
// disturb short rounds: checkpoints and autovacuum.
const postgresConfig = `
max_connections = 300
fsync = on
synchronous_commit = on
shared_buffers = 256MB
max_wal_size = 8GB
min_wal_size = 1GB
checkpoint_timeout = 1h
autovacuum = off
`

// StartPostgres makes a cluster below dir and starts it. It returns a
// *privateserver.MissingError where PostgreSQL is not installed.
func StartPostgres(ctx context.Context, dir string) (_ *Postgres, err error) {
	s := &Postgres{dir: filepath.Join(dir, "postgres")}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	var port int
	if s.server, port, err = privateserver.StartPostgres(ctx, s.dir, "bench", postgresConfig); err != nil {
		return nil, err
	}
	s.dsn = fmt.Sprintf("host=127.0.0.1 port=%d user=bench dbname=postgres sslmode=disable", port)
	return s, s.server.Ready(ctx, func(ctx context.Context) error {
		return s.exec(ctx, "SELECT 1")
	})
}

// exec runs statements on a connection of its own.
func (s *Postgres) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// Name implements [System].
func (s *Postgres) Name() string { return "postgres" }

// Reset implements [System].
func (s *Postgres) Reset(ctx context.Context, shape Shape) error {
	err := s.exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; "+postgresSchema)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "INSERT INTO stock SELECT unnest($1::text[]), $2", shape.Drugs, int64(onHand))
	if err == nil {
		_, err = conn.Exec(ctx, "ANALYZE")
	}
	if err == nil {
		_, err = conn.Exec(ctx, "CHECKPOINT")
	}
	return errors.Join(err, conn.Close(ctx))
}

// DSN is how another process reaches it.
func (s *Postgres) DSN() string { return s.dsn }

// Session implements [System].
func (s *Postgres) Session(ctx context.Context) (Session, error) {
	return ConnectPostgres(ctx, s.dsn)
}

// ConnectPostgres is the connection of one caller, from any process.
func ConnectPostgres(ctx context.Context, dsn string) (Session, error) {
	conn, err := pgx.Connect(ctx, dsn)
	return postgresSession{conn}, err
}

// Close implements [System].
func (s *Postgres) Close() error {
	var err error
	if s.server != nil {
		err = s.server.Stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

type postgresSession struct{ conn *pgx.Conn }

// call runs one function; pgx prepares the statement at its first use.
func (s postgresSession) call(ctx context.Context, op, order, sql string, args ...any) error {
	var ok bool
	if err := s.conn.QueryRow(ctx, sql, args...).Scan(&ok); err != nil {
		return err
	}
	if !ok {
		return refused("postgres", op, order)
	}
	return nil
}

// Lock implements [Session].
func (s postgresSession) Lock(ctx context.Context, order string, drugs []string) error {
	return s.call(ctx, "lock", order, "SELECT lock_stock($1, $2, $3)", order, pharmacyID, drugs)
}

// Confirm implements [Session].
func (s postgresSession) Confirm(ctx context.Context, order string) error {
	return s.call(ctx, "confirm", order, "SELECT confirm_stock($1, $2)", order, "4200001234202611220123456789")
}

// Release implements [Session].
func (s postgresSession) Release(ctx context.Context, order string) error {
	return s.call(ctx, "release", order, "SELECT release_stock($1)", order)
}

// Close implements [Session].
func (s postgresSession) Close() error { return s.conn.Close(context.Background()) }
