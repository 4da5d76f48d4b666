package sqlhis

import (
	"context"
	"database/sql"
	"math"
	"sync"
	"time"

	"github.com/hisgate/hisgate/internal/skew"
)

// clockEvery is how often the server is asked for its time, at most. It is asked
// by a read that goes out anyway, so that it costs the HIS no call of its own and
// no place in its queue, and is asked nothing while nobody reads.
const clockEvery = time.Minute

// clockTime bounds the question; a server that does not answer it answers nothing.
const clockTime = time.Second

// clock measures how far our clock is ahead of the server's.
type clock struct {
	meter skew.Meter

	mu  sync.Mutex
	due time.Time // by the monotonic clock; zero = now
}

// Skew returns how far our clock is ahead of the database server's; negative:
// behind. It is measured with a reading of stock, or a look for an order, once a
// minute at most. known is false, and the figure 0, before the first. It does not
// block.
func (d *Driver) Skew() (ahead time.Duration, known bool) { return d.clock.meter.Ahead() }

// measure asks the server for its time where that is due. An error is that of the
// connection, which is of no use any more; where it is the statement that cannot
// be answered, there is just no figure.
func (d *Driver) measure(ctx context.Context, conn *sql.Conn) error {
	if !d.clock.turn(time.Now()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	sent := d.now()
	var seconds float64
	err := conn.QueryRowContext(ctx, d.dialect.clock()).Scan(&seconds)
	if err == nil {
		whole, part := math.Modf(seconds)
		d.clock.meter.Note(skew.Of(time.Unix(int64(whole), int64(part*1e9)), sent, d.now()))
		return nil
	}
	if _, said := d.dialect.fault(err); said && ctx.Err() == nil {
		return nil // the server spoke: the connection is in order
	}
	return err
}

// turn reports whether it is somebody's turn to measure, and takes it.
func (c *clock) turn(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.due) {
		return false
	}
	c.due = now.Add(clockEvery)
	return true
}
