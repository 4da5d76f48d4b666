package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

type ledgerExportCmd struct {
	sourceFlags `embed:""`
	langFlags   `embed:""`

	Format string    `enum:"json,table" default:"json" help:"json: one lock a line, as the API shows it. table: CSV with the columns of inventory_pre_deduction, one line for each drug of a lock."`
	Ended  bool      `help:"With the locks that have ended, as long as they are kept."`
	Since  time.Time `placeholder:"TIME" help:"Created at this time or later, as 2026-11-22T00:00:00+08:00."`
	Until  time.Time `placeholder:"TIME" help:"Created before this time."`
}

// Run streams the locks to standard output.
func (c *ledgerExportCmd) Run(ctx context.Context) error {
	if !c.Since.IsZero() && !c.Until.IsZero() && !c.Since.Before(c.Until) {
		return nobody("--since and --until: nothing is created between %s and %s", c.Since.Format(time.RFC3339), c.Until.Format(time.RFC3339))
	}
	out := bufio.NewWriter(os.Stdout)
	write, end := jsonLocks(out), func() error { return nil }
	if c.Format == "table" {
		write, end = tableLocks(out)
	}
	var err error
	if c.DataDir != "" {
		err = c.read(ctx, func(ctx context.Context, f *badgerengine.Folder) error {
			return lockstore.ReadLocks(ctx, f, c.Ended, func(l *lockstore.Lock) error {
				if !c.Since.IsZero() && l.CreatedAt.Before(c.Since) || !c.Until.IsZero() && !l.CreatedAt.Before(c.Until) {
					return nil
				}
				return write(server.LockMessage(l))
			})
		})
	} else {
		err = c.ask(ctx, 0, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error { return c.receive(ctx, ops, write) })
	}
	if err == nil {
		err = end()
	}
	if flushed := out.Flush(); err == nil { // what came is given out even if the rest did not
		err = flushed
	}
	return err
}

// receive hands the server's stream on.
func (c *ledgerExportCmd) receive(ctx context.Context, ops hisgatev1.OpsServiceClient, write func(*hisgatev1.Lock) error) error {
	stream, err := ops.ExportLedger(ctx, &hisgatev1.ExportLedgerRequest{
		IncludeEnded: c.Ended, CreatedAfter: stampOf(c.Since), CreatedBefore: stampOf(c.Until),
	})
	if err != nil {
		return c.failed(c.Server, err)
	}
	for {
		l, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return c.failed(c.Server, err)
		}
		if err := write(l); err != nil {
			return err
		}
	}
}

func stampOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func jsonLocks(out io.Writer) func(*hisgatev1.Lock) error {
	return func(l *hisgatev1.Lock) error {
		b, err := jsonForm.Marshal(l)
		if err != nil {
			return err
		}
		_, err = out.Write(append(b, '\n'))
		return err
	}
}

// tableLocks writes the columns of the lock table that many sites keep in their
// database. id counts the lines; times are Beijing's, as a DATETIME column takes
// them.
func tableLocks(out io.Writer) (write func(*hisgatev1.Lock) error, end func() error) {
	w := csv.NewWriter(out)
	beijing := time.FixedZone("Asia/Shanghai", 8*60*60)
	at := func(t *timestamppb.Timestamp) string {
		if t == nil {
			return ""
		}
		return t.AsTime().In(beijing).Format(time.DateTime)
	}
	id := 0
	_ = w.Write([]string{"id", "order_no", "drug_id", "quantity", "his_lock_id", "status", "expire_time", "created_time", "updated_time"}) // errors stay until Flush
	return func(l *hisgatev1.Lock) error {
			for _, it := range l.GetItems() {
				id++
				if err := w.Write([]string{
					strconv.Itoa(id), l.GetOrderNo(), it.GetDrugId(), strconv.FormatInt(it.GetQuantity(), 10), l.GetHisLockId(),
					l.GetStatus().String(), at(l.GetExpireTime()), at(l.GetCreateTime()), at(l.GetUpdateTime()),
				}); err != nil {
					return err
				}
			}
			return nil
		}, func() error {
			w.Flush()
			return w.Error()
		}
}
