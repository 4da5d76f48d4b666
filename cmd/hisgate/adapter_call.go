package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// adapterCallCmd sends one call.
type adapterCallCmd struct {
	mappingFlags `embed:""`
	sampleFlags  `embed:""`

	Write   bool          `help:"Let a freeze, an order, or the taking back of one be sent: it changes the HIS, and stays."`
	Bytes   bool          `help:"The body's bytes too, in the HIS's charset."`
	Timeout time.Duration `default:"10s" help:"How long to wait for the HIS (${default})."`
}

// Run sends the call and prints it whole. It ends with an error for every
// outcome but done.
func (c *adapterCallCmd) Run(ctx context.Context, k *kong.Context) error {
	in, err := c.input(time.Now())
	if err != nil {
		return err
	}
	if c.writes() && !c.Write {
		return fmt.Errorf("%s changes the HIS, and stays: --write says that this is wanted (adapter render shows what would be sent)", c.Op)
	}
	s := &shower{out: k.Stdout}
	var f *fitted
	f, err = c.open(toolOptions{batch: len(in.DrugIDs), http: httphis.Options{Record: func(x httphis.Exchange) { c.exchange(s, f, in, x) }}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var result any
	if f.sql != nil {
		f.sql.Watch(func(st sqlhis.Statement) { s.statement(f.file, st, true) })
		result, err = callSQL(ctx, f.sql, c.Op, in)
	} else {
		result, err = f.http.Call(ctx, httphis.Op(c.Op), in)
	}
	if err != nil {
		return errors.Join(errors.New(f.placed(err)), s.err, f.close())
	}
	s.line("result")
	s.result(result)
	return errors.Join(s.err, f.close())
}

// exchange prints one request with its answer and how that was read.
func (c *adapterCallCmd) exchange(s *shower, f *fitted, in httphis.Input, x httphis.Exchange) {
	s.line("%s, %s", x.Op, x.Duration.Round(time.Millisecond))
	s.request(x.Request, c.Bytes)
	if x.Status == 0 {
		s.line("no answer: %s", x.Err)
		return
	}
	s.line("answer, status %d, %d bytes", x.Status, len(x.Body))
	s.header(x.Header)
	p, err := f.http.Parse(x.Op, in, httphis.Answer{Status: x.Status, Header: x.Header, Body: x.Body, Call: x.Call})
	if err != nil {
		s.line("  %v", err)
		return
	}
	s.parsed(f.file, p, f.placed)
}

// callSQL is one call of the port.
func callSQL(ctx context.Context, d hisadapter.Driver, op string, in httphis.Input) (any, error) {
	switch httphis.Op(op) {
	case httphis.OpQueryStock:
		keys := []hisadapter.Key{}
		for _, id := range in.DrugIDs {
			keys = append(keys, hisadapter.Key{PharmacyID: in.PharmacyID, DrugID: id})
		}
		return d.QueryStock(ctx, keys)
	case httphis.OpFreeze:
		return d.Freeze(ctx, hisadapter.FreezeRequest{
			HisNo: in.HisNo, PharmacyID: in.PharmacyID, Lines: in.Lines, Until: in.Until, Attributes: in.Attributes,
		})
	case httphis.OpUnfreeze:
		return nil, d.Unfreeze(ctx, hisadapter.UnfreezeRequest{HisNo: in.HisNo, LockID: in.LockID, PharmacyID: in.PharmacyID, Lines: in.Lines})
	case httphis.OpPlaceOrder:
		return d.PlaceOrder(ctx, hisadapter.PlaceOrderRequest{
			HisNo: in.HisNo, LockID: in.LockID, PharmacyID: in.PharmacyID, Lines: in.Lines, DrugsFen: in.DrugsFen,
			TransactionID: in.TransactionID, PaidAt: in.PaidAt, Attributes: in.Attributes,
		})
	case httphis.OpFindOrder:
		return d.FindOrder(ctx, in.HisNo)
	case httphis.OpCancelOrder:
		return nil, d.CancelOrder(ctx, in.HisNo, in.HISOrderNo)
	case httphis.OpListOrders:
		return d.ListOrders(ctx, in.Day)
	default:
		return nil, fmt.Errorf("%s is not for a database", op)
	}
}
