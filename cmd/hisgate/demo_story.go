package main

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// row is one line of the table: a strategy in front of one hospital.
type row struct {
	name     string
	strategy hisgatev1.Order_Strategy
	hospital *hospital
	drugs    []string // of its scenes
	orders   []string // that it placed
}

// play acts every strategy out and judges the books.
func (d *demo) play(ctx context.Context) (*result, error) {
	rows := []*row{
		{name: "VERIFY", strategy: hisgatev1.Order_VERIFY, hospital: d.plain},
		{name: "RESERVE", strategy: hisgatev1.Order_RESERVE, hospital: d.freeze},
		{name: "HOLD", strategy: hisgatev1.Order_HOLD, hospital: d.freeze},
		{name: "REFUND", strategy: hisgatev1.Order_REFUND, hospital: d.plain},
		{name: "RESERVE_NO_FREEZE", strategy: hisgatev1.Order_RESERVE, hospital: d.plain},
	}
	for _, r := range rows {
		d.introduce(r)
		if err := d.quietDay(ctx, r); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		if r.name != "RESERVE_NO_FREEZE" {
			if err := d.counterFirst(ctx, r); err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
		}
		if err := d.counterBetween(ctx, r, 8); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		if r.name == "RESERVE" {
			for _, scene := range []func(context.Context, *row) error{d.rush, d.neverPaid} {
				if err := scene(ctx, r); err != nil {
					return nil, fmt.Errorf("%s: %w", r.name, err)
				}
			}
		}
	}
	return judge(ctx, rows)
}

func (d *demo) introduce(r *row) {
	switch r.name {
	case "VERIFY":
		d.say("\n── VERIFY: ask the HIS live when the order comes in, hold nothing; HIS without freeze",
			"\n── VERIFY（方案1）：下单时实时查 HIS，不占库存；HIS 不能预扣")
	case "RESERVE":
		d.say("\n── RESERVE: hold the stock, then prepay at once; HIS that can freeze",
			"\n── RESERVE（方案2）：占住库存，立即预下单；HIS 能预扣")
	case "HOLD":
		d.say("\n── HOLD: hold the stock, prepay later after a second check; HIS that can freeze",
			"\n── HOLD（方案3）：占住库存，支付前再核对；HIS 能预扣")
	case "REFUND":
		d.say("\n── REFUND: trust the cached figure, give the money back when it was wrong; HIS without freeze",
			"\n── REFUND（方案4）：只看缓存，没货就退款；HIS 不能预扣")
	default:
		d.say("\n── RESERVE in front of a HIS that cannot freeze: the counter may still take what was held",
			"\n── RESERVE，但 HIS 不能预扣：窗口仍可能卖掉已占的库存")
	}
}

// scene lays ten boxes on the shelf and lets a web page read the figure, which
// is thereby in the cache.
func (d *demo) scene(ctx context.Context, r *row) (string, error) {
	drug := fmt.Sprintf("0009%04d", d.next+1)
	r.drugs = append(r.drugs, drug)
	if err := r.hospital.shelve(drug, "示例药品"+drug, 10); err != nil {
		return "", err
	}
	s, err := r.hospital.read(ctx, drug)
	if err != nil {
		return "", err
	}
	d.say("09:00  drug %s: the HIS has %d, the page shows %d (%s)", "09:00  药品 %s：HIS 有 %d，页面显示 %d（%s）", drug, s.GetOnHand(), s.GetAvailable(), s.GetSource())
	return drug, nil
}

// quietDay: nobody is at the counter, and all goes well.
func (d *demo) quietDay(ctx context.Context, r *row) error { return d.counterBetween(ctx, r, 0) }

// counterFirst: the counter sells before the order comes in.
func (d *demo) counterFirst(ctx context.Context, r *row) error {
	drug, err := d.scene(ctx, r)
	if err != nil {
		return err
	}
	sold, err := r.hospital.sell(drug, 8)
	if err != nil {
		return err
	}
	d.say("09:01  the counter sells %d", "09:01  窗口卖出 %d", sold)
	return d.patient(ctx, r, drug, 0)
}

// counterBetween: the counter wants to sell so many between order and payment.
func (d *demo) counterBetween(ctx context.Context, r *row, sell int64) error {
	drug, err := d.scene(ctx, r)
	if err != nil {
		return err
	}
	return d.patient(ctx, r, drug, sell)
}

// patient orders three boxes and pays as soon as hisgate lets them; in between
// the counter tries to sell.
func (d *demo) patient(ctx context.Context, r *row, drug string, sellBetween int64) error {
	h, no := r.hospital, d.orderNo(r.name)
	r.orders = append(r.orders, no)
	o, err := h.order(ctx, no, r.strategy, drug, 3)
	if err != nil {
		return d.turnedAway(no, err)
	}
	d.say("09:02  a patient orders 3 (%s): %s", "09:02  患者下单 3 盒（%s）：%s", no, o.GetStatus())
	if sellBetween > 0 {
		sold, err := h.sell(drug, sellBetween)
		if err != nil {
			return err
		}
		d.say("09:03  the counter wants to sell %d and gets %d", "09:03  窗口想卖 %d，卖出 %d", sellBetween, sold)
	}
	if r.strategy == hisgatev1.Order_HOLD {
		o, err = h.orders.PrepayOrder(ctx, &hisgatev1.PrepayOrderRequest{OrderNo: no, Payment: demoPayment()})
		if err != nil {
			return d.turnedAway(no, err)
		}
		d.say("09:04  the second check passes, the patient may pay: %s", "09:04  二次核对通过，可以付款：%s", o.GetStatus())
	}
	if o, err = h.awaitPay(ctx, no); err != nil {
		return err
	}
	tx, err := h.sims.WeChat.Pay(ctx, no)
	if err != nil {
		return err
	}
	d.say("09:05  the patient pays %s yuan, WeChat calls back with transaction %s", "09:05  患者支付 %s 元，微信回调，交易号 %s", yuan(o.GetAmount().GetTotalFen()), tx)
	o, err = h.await(ctx, no, hisgatev1.Order_FULFILLED, hisgatev1.Order_REFUNDED, hisgatev1.Order_NEEDS_ATTENTION)
	if err != nil {
		return err
	}
	if o.GetStatus() == hisgatev1.Order_FULFILLED {
		d.say("09:06  the HIS deducted and created order %s: %s", "09:06  HIS 已扣减并生成订单 %s：%s", o.GetHisOrderNo(), o.GetStatus())
		return nil
	}
	d.say("09:06  the HIS has too little left; %s yuan are back with the patient: %s", "09:06  HIS 库存不足，%s 元已退给患者：%s", yuan(o.GetRefundedFen()), o.GetStatus())
	return nil
}

// turnedAway tells a refusal for stock; anything else is a fault of the demo.
func (d *demo) turnedAway(no string, err error) error {
	reason, short := refusal(err)
	if reason != hisgatev1.Reason_STOCK_INSUFFICIENT.String() || len(short.GetShortages()) == 0 {
		return err
	}
	s := short.GetShortages()[0]
	d.say("09:02  a patient orders %d (%s): turned away before paying, %d are left", "09:02  患者下单 %d 盒（%s）：付款前即告知，仅剩 %d", s.GetRequested(), no, s.GetAvailable())
	return nil
}

// refusal reads the reason and the shortages of an error.
func refusal(err error) (reason string, short *hisgatev1.Shortages) {
	for _, x := range status.Convert(err).Details() {
		switch x := x.(type) {
		case *errdetails.ErrorInfo:
			reason = x.GetReason()
		case *hisgatev1.Shortages:
			short = x
		}
	}
	return reason, short
}

// rush: more patients want the drug at the same moment than there are boxes for.
func (d *demo) rush(ctx context.Context, r *row) error {
	const patients, each = 10, 3
	drug, err := d.scene(ctx, r)
	if err != nil {
		return err
	}
	h := r.hospital
	numbers := make([]string, patients)
	refusals := make([]error, patients)
	for i := range numbers {
		numbers[i] = d.orderNo(r.name)
	}
	r.orders = append(r.orders, numbers...)
	var wg sync.WaitGroup
	for i, no := range numbers {
		wg.Go(func() { _, refusals[i] = h.order(ctx, no, r.strategy, drug, each) })
	}
	wg.Wait()
	var lucky []string
	for i, no := range numbers {
		switch reason, _ := refusal(refusals[i]); {
		case refusals[i] == nil:
			lucky = append(lucky, no)
		case reason != hisgatev1.Reason_STOCK_INSUFFICIENT.String():
			return refusals[i]
		}
	}
	d.say("09:02  %d patients order %d each at the same moment: %d get them, %d are turned away before paying",
		"09:02  %d 位患者同时各下单 %d 盒：%d 位占到，%d 位在付款前即被告知", patients, each, len(lucky), patients-len(lucky))
	for _, no := range lucky {
		if _, err := h.awaitPay(ctx, no); err != nil {
			return err
		}
		if _, err := h.sims.WeChat.Pay(ctx, no); err != nil {
			return err
		}
	}
	for _, no := range lucky {
		if _, err := h.await(ctx, no, hisgatev1.Order_FULFILLED); err != nil {
			return err
		}
	}
	d.say("09:05  they pay, and all %d are FULFILLED", "09:05  他们付款，%d 单全部 FULFILLED", len(lucky))
	return nil
}

// neverPaid: the patient goes away; at the deadline the order is closed at
// WeChat and the stock is given back.
func (d *demo) neverPaid(ctx context.Context, r *row) error {
	drug, err := d.scene(ctx, r)
	if err != nil {
		return err
	}
	h, no := r.hospital, d.orderNo(r.name)
	r.orders = append(r.orders, no)
	if _, err := h.order(ctx, no, r.strategy, drug, 3); err != nil {
		return err
	}
	s, err := h.readLive(ctx, drug)
	if err != nil {
		return err
	}
	d.say("09:02  a patient orders 3 (%s) and goes away; %d stay for others", "09:02  患者下单 3 盒（%s）后离开；其他人还能买 %d 盒", no, s.GetAvailable())
	if _, err := h.await(ctx, no, hisgatev1.Order_CLOSED); err != nil {
		return err
	}
	if s, err = h.awaitStock(ctx, drug, 10); err != nil {
		return err
	}
	d.say("09:32  the deadline: closed at WeChat, verified, the stock is back: %d available", "09:32  到期：已在微信关单并核实，库存归还，可售 %d", s.GetAvailable())
	return nil
}

// yuan writes fen as yuan.
func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
