package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// reconcileCmd compares a day at a running hisgate and prints the report.
type reconcileCmd struct {
	serverFlags `embed:""`
	outputFlags `embed:""`

	Date string `placeholder:"YYYY-MM-DD" help:"The day in Beijing; yesterday when none is given."`
	Show bool   `help:"Compare nothing; print the report that is there."`
	CSV  bool   `name:"csv" help:"Print the differences as CSV, amounts in fen."`
}

const (
	reconcileTime = time.Hour   // a bill of a million rows takes minutes
	reconcileLook = time.Second // between two looks at a run that takes long
)

// errDifferences is the answer "no": the day does not agree. The report says where.
var errDifferences = errors.New("the day does not agree")

// Run has the day compared and waits for the report. It ends with exitNo when
// differences stand, or when the day could not be compared.
func (c *reconcileCmd) Run(ctx context.Context) error {
	if c.JSON && c.CSV {
		return nobody("--json and --csv: choose one")
	}
	if c.Date == "" {
		c.Date = time.Now().In(time.FixedZone("Asia/Shanghai", 8*60*60)).AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return c.ask(ctx, reconcileTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error {
		r, err := c.report(ctx, ops)
		if err != nil {
			return c.failed(c.Server, err)
		}
		if err := c.print(r); err != nil {
			return err
		}
		switch {
		case r.GetStatus() != hisgatev1.Reconciliation_DONE:
			return fmt.Errorf("%s: %s", r.GetStatus(), r.GetFailure())
		case r.GetOpenDifferences() > 0:
			return errDifferences
		}
		return nil
	})
}

func (c *reconcileCmd) report(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Reconciliation, error) {
	get := func() (*hisgatev1.Reconciliation, error) {
		return ops.GetReconciliation(ctx, &hisgatev1.GetReconciliationRequest{Date: c.Date})
	}
	if c.Show {
		return get()
	}
	r, err := ops.RunReconciliation(ctx, &hisgatev1.RunReconciliationRequest{Date: c.Date})
	for err == nil && r.GetStatus() == hisgatev1.Reconciliation_RUNNING {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(reconcileLook):
		}
		r, err = get()
	}
	return r, err
}

func (c *reconcileCmd) print(r *hisgatev1.Reconciliation) error {
	switch {
	case c.JSON:
		return printJSON(r)
	case c.CSV:
		return differencesOf(r).WriteCSV(os.Stdout)
	}
	_, err := fmt.Print(c.words(r.GetSummary()))
	return err
}

// differencesOf is what of a report stands in a CSV file.
func differencesOf(r *hisgatev1.Reconciliation) *payflow.Reconciliation {
	out := &payflow.Reconciliation{Day: r.GetDate()}
	for _, d := range r.GetDifferences() {
		out.Differences = append(out.Differences, payflow.Difference{
			Kind: payflow.DifferenceKind(d.GetKind()), OrderNo: d.GetOrderNo(), TransactionID: d.GetTransactionId(),
			OutRefundNo: d.GetOutRefundNo(), HisNo: d.GetHisNo(), HisOrderNo: d.GetHisOrderNo(),
			TheirsFen: d.GetTheirsFen(), OursFen: d.GetOursFen(), Detail: d.GetDetail(), CaseID: d.GetCaseId(), Gone: d.GetGone(),
		})
	}
	return out
}
