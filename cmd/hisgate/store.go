package main

import (
	"context"
	"io"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/backup"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// folderStore is the data folder of a running program, for OpsService.
type folderStore struct {
	engine engine.Engine
	ledger *lockstore.Ledger
}

// Verify implements server.Store: the records of one moment, and the ledger's
// memory.
func (s folderStore) Verify(ctx context.Context) (*hisgatev1.LedgerReport, error) {
	r := &hisgatev1.LedgerReport{}
	if err := s.engine.View(func(view engine.Reader) error { return verifyRecords(ctx, view, r) }); err != nil {
		return nil, err
	}
	return r, s.ledger.Audit(ctx, ledgerFindings(r))
}

// Backup implements server.Store.
func (s folderStore) Backup(ctx context.Context, w io.Writer) error {
	return s.engine.View(func(view engine.Reader) error {
		_, err := backup.Write(ctx, w, view, backupHeader())
		return err
	})
}

func backupHeader() backup.Header {
	return backup.Header{CreatedAt: time.Now().UTC(), Version: version()}
}

// maxFindings bounds how many things that differ a report names.
const maxFindings = 1000

// verifyRecords verifies all records of one moment, of the ledger and of the
// orders, into the report.
func verifyRecords(ctx context.Context, r engine.Reader, out *hisgatev1.LedgerReport) error {
	out.AsOf = timestamppb.Now()
	locks, err := lockstore.Verify(ctx, r, ledgerFindings(out))
	if err != nil {
		return err
	}
	orders, err := payflow.VerifyRecords(ctx, r, func(f payflow.Finding) { addFinding(out, f.Key, f.What) })
	if err != nil {
		return err
	}
	if err := strangers(r, out); err != nil {
		return err
	}
	out.ActiveLocks, out.EndedLocks, out.Tombstones = int64(locks.Active), int64(locks.Ended), int64(locks.Tombstones)
	out.ActiveOrders, out.EndedOrders, out.Letters = int64(orders.Active), int64(orders.Ended), int64(orders.Letters)
	out.OpenCases, out.ClosedCases = int64(orders.OpenCases), int64(orders.ClosedCases)
	return nil
}

// strangers looks for keys that are neither the ledger's nor the orders'.
func strangers(r engine.Reader, out *hisgatev1.LedgerReport) error {
	for _, gap := range [][2]string{{"", "l/"}, {"l0", "o/"}, {"o0", ""}} {
		end := []byte(gap[1])
		if gap[1] == "" {
			end = nil
		}
		if err := r.Scan([]byte(gap[0]), end, func(key, _ []byte) error {
			addFinding(out, string(key), "a record that is neither of a lock nor of an order")
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func ledgerFindings(out *hisgatev1.LedgerReport) func(lockstore.Finding) {
	return func(f lockstore.Finding) { addFinding(out, f.Key, f.What) }
}

func addFinding(out *hisgatev1.LedgerReport, key, what string) {
	out.FindingCount++
	if len(out.GetFindings()) < maxFindings {
		out.Findings = append(out.Findings, &hisgatev1.LedgerReport_Finding{Key: key, What: what})
	}
}
