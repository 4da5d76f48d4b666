package main

// paymentTable are the bugs that would cost a patient the drugs or a hospital its
// money. The simulation of orders alone has to find each, within the seeds of one
// ordinary run.
func paymentTable() []mutant {
	sim := []string{"../payflow/simtest"}
	return []mutant{
		// Closing.
		{"release the stock when the close is unknown", "../payflow/pay.go", "if err == nil {\n\t\treturn u.happened(evClosed, \"WeChat closed it (204)\")", "if err == nil || outcomeOf(err) == kindUnknown {\n\t\treturn u.happened(evClosed, \"WeChat closed it (204)\")", sim},
		{"take 202 for closed", "../payflow/pay.go", "if err == nil {\n\t\treturn u.happened(evClosed, \"WeChat closed it (204)\")", "if err == nil || codeOf(err) == \"USERPAYING\" {\n\t\treturn u.happened(evClosed, \"WeChat closed it (204)\")", sim},
		{"close without asking WeChat", "../payflow/plan.go", "if o.Prepay == nil {\n\t\t\tadd(actEnd", "if true {\n\t\t\tadd(actEnd", sim},
		{"send other bytes in a repeated prepay", "../payflow/pay.go", "o.Terms.Method, o.Prepay.Body)", "o.Terms.Method, fmt.Appendf(nil, \"%s%*s\", o.Prepay.Body, o.Tries, \"\"))", sim},

		// Money.
		{"skip the amount check", "../payflow/paid.go", "case tx.TotalFen != o.Amount.TotalFen || !u.priceKnown():", "case false:", sim},
		{"skip the appid check", "../payflow/paid.go", "case tx.AppID != \"\" && o.Terms != nil && tx.AppID != o.Terms.AppID:", "case false:", sim},
		{"ignore a second transaction", "../payflow/paid.go", "return u.dispute(evPaidAgain, CaseSecondPayment, tx, \"a second transaction for this order\")", "return nil", sim},
		{"ignore late money", "../payflow/paid.go", "return u.paidLate(detail)", "o.Payment = nil\n\t\treturn nil", sim},
		{"drop the inbox", "../payflow/inbox.go", "err = u.applyPaid(*l.Payment, \"callback\")", "err = nil", sim},
		{"answer a callback that is forged", "../payflow/inbox.go", "tx, err := s.pay.ParsePayment(ctx, c)\n\tif err != nil {", "tx, err := s.pay.ParsePayment(ctx, c)\n\tif err != nil && tx.OrderNo == \"\" {\n\t\treturn nil\n\t}\n\tif err != nil {", sim},

		// Fulfilment and refunds.
		{"place an order again whose outcome is unknown", "../gateway/call.go", "e.event.Kind = lockstore.EvUnknown\n\t\te.trouble", "e.event.Kind = lockstore.EvNotDone\n\t\te.trouble", sim},
		{"refund with a new number", "../payflow/refunding.go", "OrderNo: o.No, OutRefundNo: r.OutRefundNo, RefundFen", "OrderNo: o.No, OutRefundNo: fmt.Sprintf(\"%s%.*s\", r.OutRefundNo, r.Tries, \"ABCDEFGH\"), RefundFen", sim},
		{"refund while the HIS may still apply", "../payflow/fulfil.go", "case err == nil && o.Lock.Settled:", "case err == nil || outcomeOf(err) == kindPending:\n\t\to.Lock.Settled = true", sim},
		{"refund because the HIS cannot be asked", "../payflow/fulfil.go", "refused, ok := asType[*RefusedError](err)\n\tif !ok {\n\t\tu.retryLater(op, err)\n\t\treturn nil\n\t}", "refused, ok := asType[*RefusedError](err)\n\tif !ok {\n\t\tu.o.Lock.Settled = true\n\t\tu.o.Gone = &Rejection{Reason: rejectedForStock}\n\t\treturn u.happened(evGone, op)\n\t}", sim},
		{"take an accepted refund for done", "../payflow/refunding.go", "case a.State == RefundSuccess:", "case a.State == RefundSuccess || a.State == RefundProcessing:", sim},
		{"take a refund of unknown outcome for done", "../payflow/refunding.go", "u.refundFails(i, opRefund, outcomeOf(err), err)\n\t}\n\treturn nil", "return u.refundDone(i, \"\")\n\t}\n\treturn nil", sim},
		{"forget the case of an overdue payment", "../payflow/standing.go", "!owed || o.hasStanding() {", "!owed || o.hasStanding() || true {", sim},

		// What stands under the orders.
		{"forget the fence after a restart", "open.go", "lock.Unknown, lock.UnknownSince, lock.UnknownFrom = true, m.wall", "lock.UnknownSince, lock.UnknownFrom = m.wall", sim},
		{"answer an order before it is durable", "../payflow/commit.go", "if err := ticket.Wait(context.Background()); err != nil {", "if err := context.Cause(context.Background()); ticket == ticket && err != nil {", sim},
		{"answer a lock before it is durable", "ledger.go", "err := t.Wait(ctx)\n", "err := error(nil)\n", sim},
		{"judge a lock without the holds made since", "stock.go", "sum := s.made.total", "sum := int64(0)", sim},
		{"give a freeze up without undoing it", "../gateway/step.go", "case l.Watch > 0 && !l.WatchAt.After(now):\n\t\t\treturn find", "case false:\n\t\t\treturn find", sim},
		{"send the HIS more calls at once than it bears", "../hisadapter/guard/scheduler.go", "if free <= 0 {", "if free <= -3 {", sim},
		{"ignore the rate of the HIS", "../hisadapter/guard/scheduler.go", "if d.limiter == nil {", "if true {", sim},
	}
}
