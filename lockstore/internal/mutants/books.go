package main

// booksTable are the bugs in what finds out afterwards: reconciliation with WeChat's
// bills and the HIS, the recovery after a restore from a backup, what persons say of
// money, and the purge.
func booksTable() []mutant {
	orders, bills, gateway := []string{"../payflow"}, []string{"../payflow/wechat"}, []string{"../gateway"}
	return []mutant{
		// Reconciliation.
		{"let money of nobody in the bill pass", "../payflow/comparebill.go", "case o == nil && !c.mayBeOurs(r):", "case o == nil:", orders},
		{"let the bill lack a payment", "../payflow/compare.go", "if late[\"p.\"+tx] {", "if true || late[\"p.\"+tx] {", orders},
		{"let the bill lack a refund", "../payflow/compare.go", "if late[\"r.\"+no] {", "if true || late[\"r.\"+no] {", orders},
		{"compare payments one way only", "../payflow/comparebill.go", "d.OursFen != r.OrderFen", "d.OursFen < r.OrderFen", orders},
		{"compare refunds one way only", "../payflow/comparebill.go", "if q.Fen != r.RefundFen {", "if q.Fen > r.RefundFen {", orders},
		{"compare the HIS's amounts one way only", "../payflow/comparehis.go", "h.DrugsFen != 0 && h.DrugsFen != d.OursFen", "h.DrugsFen != 0 && h.DrugsFen < d.OursFen", orders},
		{"believe a bill whose hash is wrong", "../payflow/wechat/bill.go", "case !strings.EqualFold(got, hash):", "case false:", bills},
		{"believe a bill that was cut off", "../payflow/wechat/billtext.go", "\t\t\treturn payflow.BillTotals{}, err\n\t\t}\n\t\tat := lines.line", "\t\t\treturn sums, nil\n\t\t}\n\t\tat := lines.line", bills},
		{"believe a bill whose sums are wrong", "../payflow/wechat/billtext.go", "if got != c.want {", "if got != c.want && false {", bills},
		{"open each case again in each run", "../payflow/compare.go", "if c.Open || len(c.Audit) == 0 ||", "if len(c.Audit) > 0 &&", orders},
		{"open a case again that a person has settled", "../payflow/compare.go", "if c.Open || len(c.Audit) == 0 || c.Audit[len(c.Audit)-1].Actor != worker {", "if c.Open {", orders},
		{"leave a case open whose cause is gone", "../payflow/compare.go", "if d.CaseID != \"\" && !standing[d.CaseID] {", "if d.CaseID == \"-\" && !standing[d.CaseID] {", orders},
		{"miss the refunds beside midnight", "../payflow/compare.go", "case c.early[r.OutRefundNo]:", "case c.early[r.OutRefundNo] && false:", orders},
		{"conclude from a HIS that did not answer", "../payflow/comparehis.go", "if err != nil {\n\t\treturn err\n\t}\n\tc.report.HISListed = true", "c.report.HISListed = true", orders},
		{"make a case beside the order that comes for its money", "../payflow/comparebill.go", "if u.o != nil { // made while WeChat was asked: it sees to its money", "if u.o != nil && false {", orders},

		{"ask for a payment of the bill by the order's number", "../payflow/comparebill.go", "tx, err = c.s.pay.QueryTransaction(ctx, transactionID)", "tx, err = c.s.pay.Query(ctx, transactionID)", []string{"../payflow:TestASecond"}},

		// Recovery.
		{"skip an order that WeChat knows as paid", "../payflow/recall.go", "paid := !unheard && tx.paid()", "paid := !unheard && tx.paid() && o.Payment != nil", orders},
		{"pay a refund of before the restore again", "../payflow/recall.go", "found = append(found, recalledRefund{g, a})", "_ = a", orders},
		{"make up for a refund that has a successor", "../payflow/recall.go", "case a.State == RefundClosed && !last:", "case a.State == RefundClosed && last && false:", orders},
		{"refund on the word of a backup", "../payflow/recall.go", "o.Lock.Settled = false // it may have been fulfilled since", "_ = o.Lock.Settled // it may have been fulfilled since", orders},
		{"end a recovery with orders unasked", "../payflow/restored.go", "if s.Recovery().Left > 0 {", "if s.Recovery().Left < 0 {", orders},
		{"begin orders while a recovery stands", "../payflow/create.go", "if s.restored().recovering() {\n\t\t\treturn ErrRecovering\n\t\t}\n\t\tif s.activeOrders()", "if s.activeOrders()", orders},
		{"take the stock again for an order that the HIS has", "../gateway/recall.go", "case hisadapter.Deducted:\n\t\t\treturn &RecalledError{HISNo: no, Deducted: true, HISOrderNo: found.OrderNo}, nil", "case hisadapter.Deducted:\n\t\t\treturn nil, nil", gateway},
		{"end the search of a restored ledger at the first number that the HIS does not know", "../gateway/recall.go", "return &RecalledError{HISNo: no}, nil\n\t\t}", "return &RecalledError{HISNo: no}, nil\n\t\tcase hisadapter.None:\n\t\t\treturn nil, nil\n\t\t}", []string{"../gateway:TestB9"}},
		{"count the time of a refund from when it was told", "../payflow/refunding.go", "r.AcceptedAt = r.takenAt(a, now)", "r.AcceptedAt = now", orders},
		{"count the time of a forgotten refund from the restore", "../payflow/recall.go", "r.AcceptedAt = r.takenAt(a, now)", "r.AcceptedAt = now", orders},
		{"fulfil a forgotten payment where the HIS cannot be asked", "../payflow/fulfil.go", "case (none || lk.Released) && u.deductedBefore():", "case none && lk.Released && u.deductedBefore():", orders},
		{"let a person decide on what a backup knows", "../payflow/recall.go", "if o.State == NeedsAttention && o.HisOrderNo == \"\" && o.fenced()", "if o.State == \"\" && o.HisOrderNo == \"\" && o.fenced()", orders},
		{"trust the backup that held stock is there", "../gateway/call.go", "if e, gone := g.holdGone(ctx, l); gone {", "if e, gone := g.holdGone(ctx, l); gone && l == nil {", []string{"../gateway:TestB9"}},
		{"trust the backup that a fulfilled order stands at the HIS", "../payflow/service.go", "wg.Go(func() { s.lookBack(ctx) })", "_ = s.lookBack", orders},
		{"leave money in dispute whose price was not known yet", "../payflow/recall.go", "!d.Unpriced || d.Settled ||", "d.Unpriced || d.Settled ||", orders},

		{"fulfil an order whose money went back since the backup", "../payflow/recall.go", "if o.State == Paid && o.Gone == nil && noMoneyOut(o) != \"\" {", "if o.State == Paid && o.Gone == nil && noMoneyOut(o) == \"-\" {", []string{"../payflow:TestB9"}},
		{"take a request that comes again after a restore for another one", "../payflow/operator.go", "if r.Etag == \"\" && o.recalledPart(r.Fen) {", "if r.Etag == \"-\" && o.recalledPart(r.Fen) {", []string{"../payflow:TestB9"}},
		{"believe after a second loss what a person saw before it", "../payflow/recall.go", "o.Lock.Checked = false //", "_ = o.Lock.Checked //", []string{"../payflow:TestB9"}},

		// What contradicts itself, or changes under hisgate.
		{"believe the ledger that a HIS order stands", "../payflow/settling.go", "if err != nil || !lk.Confirmed || lk.Cancelled || !u.s.set.CanFind {", "if err != nil || lk.Confirmed || lk.Cancelled || !u.s.set.CanFind {", []string{"../payflow:TestRecheck"}},
		{"fulfil by the HIS order that a person saw to", "../payflow/settling.go", "u.o.State == NeedsAttention && !u.o.Lock.Disowned && !u.o.WasFulfilled", "u.o.State == NeedsAttention && !u.o.WasFulfilled", []string{"../payflow:TestNoOne"}},
		{"make a lock anew that the ledger has lost", "../payflow/fulfil.go", "case none && o.Lock.Attempt > 0:", "case none && o.Lock.Attempt < 0:", []string{"../payflow:TestALock"}},
		{"keep quiet when a refund that came to nothing is paid out after all", "../payflow/inbox.go", "case a.State == RefundSuccess && (was == RefundClosed ||", "case a.State == \"\" && (was == RefundClosed ||", []string{"../payflow:TestARefund"}},
		{"conclude from what another merchant's WeChat says", "../payflow/pay.go", "u.o != nil && u.o.otherMerchant(now) {", "u.o == nil && u.o.otherMerchant(now) {", []string{"../payflow:TestAnother"}},
		{"count a patient's time by a clock that was ahead", "../payflow/setback.go", "if t.Sub(now) > set.ProofGrace {", "if t.Sub(now) > 9999*set.ProofGrace {", []string{"../payflow:TestD9AClock"}},
		{"purge by a clock that was set just now", "../payflow/setback.go", "return mono.Sub(e.mono) >= steadyFor", "return mono.Sub(e.mono) >= 0", []string{"../payflow:TestAClock"}},

		// What persons say of money.
		{"give drugs for money that a person gave back", "../payflow/paid.go", "len(o.Elsewhere) > 0 || evidence != \"\":", "len(o.Elsewhere) > 0:", orders},
		{"believe a person while a refused refund may arrive", "../payflow/settling.go", "r.Status != RefundSent || r.NeverTaken || r.WrongFen != 0 {", "r.OutRefundNo != \"\" {", orders},
		{"take money for back that is on its way in the merchant console", "../payflow/cases.go", "if !c.decided() || o.State == Refunding && o.elsewhereFlying() || o.State == Refunded && !o.allBack() {", "if !c.decided() {", orders},
		{"call an order refunded whose rest a refund in the merchant console holds", "../payflow/refunding.go", "err != nil || o.allBack() ||", "err != nil || o != nil ||", orders},
		{"keep quiet when a refund in the merchant console comes to nothing", "../payflow/inbox.go", "case a.State != RefundClosed && a.State != RefundAbnormal:", "case a.State != \"\":", orders},
		{"say that all refunds were resumed after a crash", "../payflow/resume.go", "if !repeat || made.Unended {", "if !repeat {", orders},

		// The purge.
		{"purge the attempts of an order one by one", "purge.go", "part := p.locks[max(len(p.locks)-purgeAttempts, 0):]", "part := p.locks[:min(1, len(p.locks))]", nil},
	}
}
