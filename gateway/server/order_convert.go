package server

import (
	"cmp"

	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func toOrder(o *payflow.Order) *hisgatev1.Order {
	out := &hisgatev1.Order{
		OrderNo: o.No, Strategy: toStrategy(o.Strategy), Status: toState(o.State), Next: toNext(o.Next()),
		PharmacyId: o.PharmacyID, Amount: toAmount(o.Amount), Payment: toPayment(o), PayDeadline: stamp(o.PayDeadline),
		RefundedFen: o.RefundedFen, HisOrderNo: o.HisOrderNo, HisNo: o.Lock.HisNo, LockAttempt: int32(o.Lock.Attempt),
		CancelRequested: o.Cancelled, Degraded: o.Lock.Degraded, Attributes: o.Attributes,
		CreateTime: stamp(o.CreatedAt), UpdateTime: stamp(o.UpdatedAt), NextActionTime: stamp(o.NextAt),
		Etag: o.Etag(), Principal: o.Principal, Reason: o.EndReason, Trouble: toTrouble(o.Trouble), OpenCaseIds: o.OpenCases,
	}
	for _, it := range o.Items {
		out.Items = append(out.Items, &hisgatev1.OrderItem{DrugId: it.DrugID, Quantity: it.Quantity, LineFen: it.LineFen})
	}
	if p := o.Payment; p != nil {
		out.TransactionId, out.PaidTime = p.TransactionID, stamp(p.PaidAt)
	}
	// What came after the payment says more than what came before.
	if why := cmp.Or(o.Gone, o.Rejection); why != nil {
		out.Reason = why.Reason
		out.Shortages = toShortages(why.Shortages).GetShortages()
		out.PriceGaps = toPriceGaps(why.Prices).GetGaps()
	}
	for i := range o.Refunds {
		out.Refunds = append(out.Refunds, toRefund(&o.Refunds[i]))
	}
	for i := range o.History {
		out.History = append(out.History, toOrderStep(&o.History[i]))
	}
	return out
}

// The names of these are the same on both sides; a test holds that.

func toStrategy(g payflow.Strategy) hisgatev1.Order_Strategy {
	return hisgatev1.Order_Strategy(hisgatev1.Order_Strategy_value[string(g)])
}

func toState(s payflow.State) hisgatev1.Order_Status {
	return hisgatev1.Order_Status(hisgatev1.Order_Status_value[string(s)])
}

func toNext(n payflow.Next) hisgatev1.Order_Next {
	return hisgatev1.Order_Next(hisgatev1.Order_Next_value[string(n)])
}

func toRefundStatus(s payflow.RefundStatus) hisgatev1.Refund_Status {
	return hisgatev1.Refund_Status(hisgatev1.Refund_Status_value[string(s)])
}

func toCheckResult(r payflow.CheckResult) hisgatev1.CheckOrderResponse_Result {
	return hisgatev1.CheckOrderResponse_Result(hisgatev1.CheckOrderResponse_Result_value[string(r)])
}

func toPayment(o *payflow.Order) *hisgatev1.Payment {
	t := o.Terms
	if t == nil {
		return nil
	}
	out := &hisgatev1.Payment{
		Method: hisgatev1.Payment_Method(hisgatev1.Payment_Method_value[string(t.Method)]),
		Appid:  t.AppID, PayerOpenid: t.OpenID, Description: t.Description, Invoke: o.Invoke,
	}
	if p := o.Prepay; p != nil {
		out.PrepayId = p.PrepayID
		if o.Next() == payflow.NextPay { // nobody should show a code that cannot be paid any more
			out.CodeUrl, out.H5Url = p.CodeURL, p.H5URL
		}
	}
	return out
}

func toAmount(a payflow.Amount) *hisgatev1.Amount {
	return &hisgatev1.Amount{DrugsFen: a.DrugsFen, OtherFen: a.OtherFen, TotalFen: a.TotalFen}
}

func orderAmount(a *hisgatev1.Amount) payflow.Amount {
	return payflow.Amount{DrugsFen: a.GetDrugsFen(), OtherFen: a.GetOtherFen(), TotalFen: a.GetTotalFen()}
}

func orderItems(in []*hisgatev1.OrderItem) []payflow.Item {
	out := make([]payflow.Item, len(in))
	for i, it := range in {
		out[i] = payflow.Item{DrugID: it.GetDrugId(), Quantity: it.GetQuantity(), LineFen: it.GetLineFen()}
	}
	return out
}

func toRefund(r *payflow.RefundRecord) *hisgatev1.Refund {
	return &hisgatev1.Refund{
		OutRefundNo: r.OutRefundNo, RefundId: r.RefundID, AmountFen: r.Fen, Status: toRefundStatus(r.Status), Reason: r.Reason,
		CreateTime: stamp(r.StoredAt), SendTime: stamp(r.SentAt), AcceptTime: stamp(r.AcceptedAt), EndTime: stamp(r.EndedAt),
		Refused: r.Refused, Actor: r.By, Evidence: r.Evidence,
	}
}

func toOrderStep(h *payflow.HistoryEntry) *hisgatev1.OrderStep {
	return &hisgatev1.OrderStep{
		Time: stamp(h.At), From: toState(h.From), To: toState(h.To), Cause: h.Event, Message: h.Detail,
		Actor: h.Actor, Count: stepCount(h.Count), LastTime: stamp(h.LastAt),
	}
}

func toTrouble(t *payflow.Trouble) *hisgatev1.Trouble {
	if t == nil {
		return nil
	}
	return &hisgatev1.Trouble{
		Op: t.Op, Kind: t.Kind, Code: t.Code, Message: t.Text,
		Since: stamp(t.Since), LastTime: stamp(t.LastAt), Count: stepCount(t.Count),
	}
}

func toPriceGaps(in []payflow.PriceGap) *hisgatev1.PriceGaps {
	out := &hisgatev1.PriceGaps{}
	for _, g := range in {
		out.Gaps = append(out.Gaps, &hisgatev1.PriceGap{DrugId: g.DrugID, GivenFen: g.GivenFen, HisFen: g.HisFen})
	}
	return out
}

func toCheck(a *payflow.CheckAnswer) *hisgatev1.CheckOrderResponse {
	out := &hisgatev1.CheckOrderResponse{Payable: a.Payable, AsOf: stamp(a.AsOf), Degraded: a.Stale}
	for i := range a.Lines {
		l := &a.Lines[i]
		out.Lines = append(out.Lines, &hisgatev1.CheckOrderResponse_Line{
			DrugId: l.DrugID, Result: toCheckResult(l.Result), Requested: l.Requested, Available: l.Available,
			LineFen: l.LineFen, Multiple: l.Multiple, Price: l.Price, PricePer: l.PricePer,
			Degraded: l.Stale, AsOf: stamp(l.AsOf),
		})
	}
	return out
}
