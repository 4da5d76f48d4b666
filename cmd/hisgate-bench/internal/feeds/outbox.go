package feeds

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/feed/outbox/ddl"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// openOutbox starts PostgreSQL with a table of stock and what hisgate feed ddl
// prints for it. A change is an UPDATE in a transaction of its own.
func openOutbox(notify string) func(ctx context.Context, dir string) (*source, error) {
	return func(ctx context.Context, dir string) (_ *source, err error) {
		if err := os.Chmod(dir, 0o755); err != nil { // the server is another user
			return nil, err
		}
		place := filepath.Join(dir, "pg")
		if err := os.Mkdir(place, 0o700); err != nil {
			return nil, err
		}
		server, port, err := privateserver.StartPostgres(ctx, place, "his", "")
		if err != nil {
			return nil, err
		}
		var db *pgx.Conn
		if err := server.Ready(ctx, func(ctx context.Context) (err error) {
			db, err = pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=his dbname=postgres sslmode=disable", port))
			return err
		}); err != nil {
			return nil, errors.Join(err, server.Stop())
		}
		stop := func() error { return errors.Join(db.Close(context.WithoutCancel(ctx)), server.Stop()) }
		script, err := ddl.Script(ddl.Options{
			Dialect: sqldb.Postgres, Table: "public.stock", Pharmacy: "pharmacy", Drug: "drug", Quantity: "quantity", User: "his", Notify: notify != "",
		})
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		for _, sql := range []string{
			"CREATE TABLE public.stock (pharmacy text, drug text, quantity bigint, PRIMARY KEY (pharmacy, drug))",
			fmt.Sprintf("INSERT INTO public.stock SELECT '%s', 'D' || lpad(n::text, 3, '0'), 1 FROM generate_series(0, %d) n", pharmacy, drugs-1),
			script,
		} {
			if _, err := db.Exec(ctx, sql); err != nil {
				return nil, errors.Join(err, stop())
			}
		}
		driver, err := outbox.New(outbox.Settings{
			Database: sqldb.Settings{Dialect: sqldb.Postgres, Host: "127.0.0.1", Port: port, Database: "postgres", User: "his"},
			Table:    "public.hisgate_outbox", Ordered: true, Notify: notify, PositionFile: filepath.Join(dir, "position"),
		})
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		return &source{
			driver: driver,
			commit: func(ctx context.Context, drug string, onHand int64) error {
				_, err := db.Exec(ctx, "UPDATE public.stock SET quantity = $1 WHERE pharmacy = $2 AND drug = $3", onHand, pharmacy, drug)
				return err
			},
			close: stop,
		}, nil
	}
}
