package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

type ledgerVerifyCmd struct {
	sourceFlags `embed:""`
	outputFlags `embed:""`
}

// verifyTime is how long a verification may take: a server that is told nothing
// sets a time of its own, which is short.
const verifyTime = time.Hour

// errDiffers makes verify end with status 1; the report has been printed.
var errDiffers = errors.New("the ledger is not as it must be")

// Run verifies and prints the report.
func (c *ledgerVerifyCmd) Run(ctx context.Context) error {
	var r *hisgatev1.LedgerReport
	var err error
	if c.DataDir != "" {
		err = c.read(ctx, func(ctx context.Context, f *badgerengine.Folder) (err error) {
			r, err = verifyFolder(ctx, f)
			return err
		})
	} else {
		err = c.ask(ctx, verifyTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (err error) {
			if r, err = ops.VerifyLedger(ctx, &hisgatev1.VerifyLedgerRequest{}); err != nil {
				return c.failed(c.Server, err)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	return c.report(r)
}

// verifyFolder verifies the records of a folder, and what an opening computes
// from them.
func verifyFolder(ctx context.Context, f *badgerengine.Folder) (*hisgatev1.LedgerReport, error) {
	r := &hisgatev1.LedgerReport{}
	if err := verifyRecords(ctx, f, r); err != nil {
		return nil, err
	}
	c := Default()
	s := c.settings()
	err := lockstore.Inspect(ctx, f, lockstore.Options{Policy: gateway.Policy(s.caps, s.gateway)}, ledgerFindings(r))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		addFinding(r, "ledger", "it cannot be opened: "+err.Error())
	}
	return r, nil
}

func (c *ledgerVerifyCmd) report(r *hisgatev1.LedgerReport) error {
	if c.JSON {
		if err := printJSON(r); err != nil {
			return err
		}
	} else {
		for _, f := range r.GetFindings() {
			fmt.Printf("%s: %s\n", f.GetKey(), f.GetWhat())
		}
		if more := r.GetFindingCount() - int64(len(r.GetFindings())); more > 0 {
			fmt.Printf(c.say("……另有 %d 处\n", "… and %d more\n"), more)
		}
		fmt.Fprintf(os.Stdout, c.say(
			"锁定 %d 条有效、%d 条已结束、%d 条墓碑；订单 %d 条进行中、%d 条已结束；个案 %d 个未结、%d 个已结；未读回调 %d 条；不符 %d 处。\n",
			"locks: %d in force, %d ended, %d tombstones; orders: %d active, %d ended; cases: %d open, %d closed; unread notices: %d; findings: %d.\n"),
			r.GetActiveLocks(), r.GetEndedLocks(), r.GetTombstones(), r.GetActiveOrders(), r.GetEndedOrders(),
			r.GetOpenCases(), r.GetClosedCases(), r.GetLetters(), r.GetFindingCount())
	}
	if r.GetFindingCount() > 0 {
		return errDiffers
	}
	return nil
}
