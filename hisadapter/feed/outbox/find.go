package outbox

import (
	"context"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// Find implements feed.Looker. The position stays what it is, in the file and at
// the driver that runs.
func (d *Driver) Find(ctx context.Context) (feed.Sight, error) {
	seen, err := d.find(ctx)
	return seen, d.s.Database.Redact(err)
}

func (d *Driver) find(ctx context.Context) (feed.Sight, error) {
	seen := feed.Sight{Place: "table " + d.s.Table, Waiting: -1}
	db, err := sqldb.Open(d.s.Database)
	if err != nil {
		return seen, err
	}
	defer db.Close()
	r, err := d.connect(ctx, db)
	if err != nil {
		return seen, err
	}
	defer r.conn.Close()
	if d.s.Mode == ByTime {
		seen.Place = "view " + d.s.Table
		return seen, (&byTime{d: d, r: r}).begin(ctx)
	}
	b := &byID{d: d, r: r, sink: feed.Sink{Lag: func(n int64) { seen.Waiting = n }, Missed: func(string) {}}}
	if err := b.begin(ctx); err != nil {
		return seen, err
	}
	return seen, b.count(ctx, true)
}
