package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/uuid"

	"github.com/hisgate/hisgate/client"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// caseCmd is the desk of those who settle what a person must settle.
type caseCmd struct {
	List          caseListCmd          `cmd:"" help:"List the cases that wait for a person."`
	Show          caseShowCmd          `cmd:"" help:"Show one case with its facts and its audit trail."`
	Claim         caseClaimCmd         `cmd:"" help:"Take a case as one's own."`
	Handover      caseHandoverCmd      `cmd:"" help:"Hand a case over to another person."`
	Recheck       caseRecheckCmd       `cmd:"" help:"Ask HIS and WeChat now, and believe what they say: an order that turns out paid, fulfilled or refunded goes there."`
	Retry         caseRetryCmd         `cmd:"" help:"Try once more to get the drugs of a paid order from the HIS."`
	Refund        caseRefundCmd        `cmd:"" help:"Give the patient the money back."`
	MarkFulfilled caseMarkFulfilledCmd `cmd:"" help:"Say that the patient got the drugs by another way."`
	MarkRefunded  caseMarkRefundedCmd  `cmd:"" help:"Say that the patient got the money back by another way."`
	Settle        caseSettleCmd        `cmd:"" help:"Close a case of reconciliation, or of money of another system, with a note of what was found and done."`
	Resolve       caseResolveCmd       `cmd:"" help:"Say what became of a call to the HIS whose outcome is unknown (the cases lock:…)."`
	ResumeRefunds caseResumeCmd        `cmd:"" help:"Open the hourly limit of automatic refunds again."`
}

type caseListCmd struct {
	serverFlags `embed:""`
	outputFlags `embed:""`

	All    bool   `help:"With the settled ones."`
	Order  string `placeholder:"ORDER_NO" help:"Of this order."`
	Owner  string `placeholder:"NAME" help:"Of this owner."`
	Reason string `placeholder:"REASON" help:"With this reason, such as STOCK_GONE."`
}

// Run prints the cases, page by page.
func (c *caseListCmd) Run(ctx context.Context) error {
	return c.ask(ctx, answerTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error {
		r := &hisgatev1.ListCasesRequest{
			IncludeClosed: c.All, OrderNo: c.Order, Owner: c.Owner, Reason: c.Reason, PageSize: 500,
		}
		t := caseTable{outputFlags: c.outputFlags, out: os.Stdout}
		for {
			page, err := ops.ListCases(ctx, r)
			if err != nil {
				return c.failed(c.Server, err)
			}
			for _, one := range page.GetCases() {
				if err := t.row(one); err != nil {
					return err
				}
			}
			if r.PageToken = page.GetNextPageToken(); r.GetPageToken() == "" {
				return t.end()
			}
		}
	})
}

type caseShowCmd struct {
	serverFlags `embed:""`
	outputFlags `embed:""`

	CaseID string `arg:"" help:"The case."`
}

// Run prints the case.
func (c *caseShowCmd) Run(ctx context.Context) error {
	return c.ask(ctx, answerTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error {
		one, err := ops.GetCase(ctx, &hisgatev1.GetCaseRequest{CaseId: c.CaseID})
		if err != nil {
			return c.failed(c.Server, err)
		}
		return c.show(os.Stdout, one)
	})
}

// verbFlags are what all verbs have.
type verbFlags struct {
	serverFlags `embed:""`
	outputFlags `embed:""`

	CaseID    string `arg:"" help:"The case."`
	Note      string `help:"What to keep in the audit trail."`
	Etag      string `help:"Do it only if the case still has this etag; without it, in the state that it has now."`
	RequestID string `name:"request-id" help:"Number of this verb, made by itself otherwise. Give that of a try without an answer to repeat it harmlessly."`
}

// newRequestID numbers a verb once for the whole command.
func newRequestID(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	id, err := uuid.NewV7()
	return id.String(), err
}

// do runs one verb: the etag is read first unless it is given.
func (f *verbFlags) do(ctx context.Context, verb func(context.Context, hisgatev1.OpsServiceClient) (*hisgatev1.Case, error)) error {
	var err error
	if f.RequestID, err = newRequestID(f.RequestID); err != nil {
		return err
	}
	return f.ask(ctx, answerTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error {
		if f.Etag == "" {
			now, err := ops.GetCase(ctx, &hisgatev1.GetCaseRequest{CaseId: f.CaseID})
			if err != nil {
				return f.failed(f.Server, err)
			}
			f.Etag = now.GetEtag()
		}
		after, err := verb(ctx, ops)
		if err != nil {
			return f.mayRepeat(f.Server, f.RequestID, err)
		}
		return f.answer(os.Stdout, after)
	})
}

// mayRepeat says how to repeat a verb of which nobody knows whether it was
// carried out.
func (o outputFlags) mayRepeat(server, requestID string, err error) error {
	if !client.MayHaveHappened(err) {
		return o.failed(server, err)
	}
	return fmt.Errorf("%w\n%s --request-id %s", o.failed(server, err),
		o.say("结果未知；重复时请加", "it may have been done; to repeat it harmlessly, add"), requestID)
}

type caseSettleCmd struct {
	verbFlags `embed:""`
}

// Run closes the case.
func (c *caseSettleCmd) Run(ctx context.Context) error {
	if c.Note == "" {
		return nobody("--note: say what was found and done")
	}
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.SettleCase(ctx, &hisgatev1.SettleCaseRequest{CaseId: c.CaseID, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseClaimCmd struct {
	verbFlags `embed:""`
}

// Run claims the case.
func (c *caseClaimCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.ClaimCase(ctx, &hisgatev1.ClaimCaseRequest{CaseId: c.CaseID, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseHandoverCmd struct {
	verbFlags `embed:""`

	To string `required:"" placeholder:"NAME" help:"Who has it from now on."`
}

// Run hands the case over.
func (c *caseHandoverCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.HandOverCase(ctx, &hisgatev1.HandOverCaseRequest{CaseId: c.CaseID, Owner: c.To, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseRecheckCmd struct {
	verbFlags `embed:""`
}

// Run asks again.
func (c *caseRecheckCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.RecheckCase(ctx, &hisgatev1.RecheckCaseRequest{CaseId: c.CaseID, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseRetryCmd struct {
	verbFlags `embed:""`
}

// Run lets fulfilment be tried again.
func (c *caseRetryCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.RetryFulfilment(ctx, &hisgatev1.RetryFulfilmentRequest{CaseId: c.CaseID, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseRefundCmd struct {
	verbFlags `embed:""`

	Reason string `help:"Why, as the patient may read it: at most 80 characters."`
}

// Run refunds.
func (c *caseRefundCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.RefundCase(ctx, &hisgatev1.RefundCaseRequest{CaseId: c.CaseID, Reason: c.Reason, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseMarkFulfilledCmd struct {
	verbFlags `embed:""`

	HISOrderNo string `name:"his-order-no" required:"" help:"The HIS's own number of the order: the evidence."`
}

// Run marks the order fulfilled.
func (c *caseMarkFulfilledCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.MarkFulfilled(ctx, &hisgatev1.MarkFulfilledRequest{CaseId: c.CaseID, HisOrderNo: c.HISOrderNo, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseMarkRefundedCmd struct {
	verbFlags `embed:""`

	Evidence string `required:"" help:"What proves it: the refund's number in the merchant console, a receipt."`
}

// Run marks the order refunded.
func (c *caseMarkRefundedCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.MarkRefunded(ctx, &hisgatev1.MarkRefundedRequest{CaseId: c.CaseID, Evidence: c.Evidence, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID})
	})
}

type caseResolveCmd struct {
	verbFlags `embed:""`

	Outcome    string `required:"" enum:"applied,not-applied" help:"What a person saw at the HIS: applied, or not-applied."`
	HISOrderNo string `name:"his-order-no" help:"The HIS's own number of the order, where it deducted."`
}

// Run says what became of the call.
func (c *caseResolveCmd) Run(ctx context.Context) error {
	outcome := hisgatev1.ResolveLockCaseRequest_NOT_APPLIED
	if c.Outcome == "applied" {
		outcome = hisgatev1.ResolveLockCaseRequest_APPLIED
	}
	return c.do(ctx, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (*hisgatev1.Case, error) {
		return ops.ResolveLockCase(ctx, &hisgatev1.ResolveLockCaseRequest{
			CaseId: c.CaseID, Outcome: outcome, HisOrderNo: c.HISOrderNo, Note: c.Note, Etag: c.Etag, RequestId: c.RequestID,
		})
	})
}

type caseResumeCmd struct {
	serverFlags `embed:""`
	outputFlags `embed:""`

	Note      string `help:"Why it is safe to go on; kept."`
	Etag      string `help:"Do it only if the brake still has this etag; without it, in the state that it has now."`
	RequestID string `name:"request-id" help:"Number of this verb, made by itself otherwise. Give that of a try without an answer to repeat it harmlessly."`
}

// Run opens the brake of automatic refunds.
func (c *caseResumeCmd) Run(ctx context.Context) error {
	id, err := newRequestID(c.RequestID)
	if err != nil {
		return err
	}
	return c.ask(ctx, answerTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error {
		if c.Etag == "" {
			brake, err := ops.GetRefundBrake(ctx, &hisgatev1.GetRefundBrakeRequest{})
			if err != nil {
				return c.failed(c.Server, err)
			}
			c.Etag = brake.GetEtag()
		}
		r, err := ops.ResumeRefunds(ctx, &hisgatev1.ResumeRefundsRequest{Note: c.Note, Etag: c.Etag, RequestId: id})
		if err != nil {
			return c.mayRepeat(c.Server, id, err)
		}
		if c.JSON {
			return printJSON(r)
		}
		_, err = fmt.Println(c.words(r.GetNext()))
		return err
	})
}
