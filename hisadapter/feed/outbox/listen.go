package outbox

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5/stdlib"
)

// listen waits for notifications on a connection of its own, and tells wake of
// each; several may become one. The error with which it ends goes to deaf. stop
// ends it and waits until it has. Without a channel to listen on it does nothing.
func (d *Driver) listen(ctx context.Context, db *sql.DB, wake chan<- struct{}) (deaf <-chan error, stop func(), err error) {
	if d.s.Notify == "" {
		return nil, func() {}, nil
	}
	within, cancel := context.WithTimeout(ctx, d.s.Database.ConnectTimeout)
	defer cancel()
	conn, err := db.Conn(within)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to listen: %w", err)
	}
	if _, err := conn.ExecContext(within, "LISTEN "+d.s.Notify); err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("LISTEN: %w", err)
	}
	ctx, end := context.WithCancel(ctx)
	failed, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close()
		failed <- conn.Raw(func(raw any) error {
			pg := raw.(*stdlib.Conn).Conn()
			for {
				if _, err := pg.WaitForNotification(ctx); err != nil {
					return fmt.Errorf("listening: %w", err)
				}
				select {
				case wake <- struct{}{}:
				default: // it is awake
				}
			}
		})
	}()
	return failed, func() { end(); <-done }, nil
}
