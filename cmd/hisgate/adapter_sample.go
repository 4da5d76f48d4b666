package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// sampleFlags are what one call of an operation is about.
type sampleFlags struct {
	Op          string            `required:"" enum:"login,query_stock,freeze,unfreeze,place_order,find_order,cancel_order,list_orders" help:"The operation, as in the mapping: ${enum}."`
	Pharmacy    string            `default:"HLWYF" help:"Pharmacy id (${default})."`
	Drug        []string          `default:"00010041=1" placeholder:"ID=QUANTITY" help:"Drugs, with their quantities in smallest units (1 without). May be repeated (${default})."`
	HisNo       string            `default:"HGSAMPLE0001" help:"Our number of the order (${default})."`
	LockID      string            `name:"lock-id" help:"The HIS's number of the freeze."`
	HISOrderNo  string            `name:"his-order-no" help:"The HIS's number of the order."`
	DrugsFen    int64             `default:"100" help:"What the drugs cost, in fen (${default})."`
	Transaction string            `default:"4200000000202611220000000001" help:"WeChat Pay's transaction number."`
	PaidAt      time.Time         `help:"When it was paid, RFC 3339; now without it."`
	Until       time.Time         `help:"How long a freeze is wanted, RFC 3339; 15 minutes from now without it."`
	Day         string            `placeholder:"YYYY-MM-DD" help:"The day of list_orders, in China; today without it."`
	Attr        map[string]string `default:"patient_id=P0001;rx_no=RX0001" placeholder:"NAME=VALUE" help:"References of patient and prescription (${default})."`
}

// factFlags stand in for what a reading would have told of the drugs.
type factFlags struct {
	Fact map[string]string `default:"ratio=1" placeholder:"NAME=VALUE" help:"What a reading would have told of the drugs: ratio, name, price, multiple … (${default})."`
}

// china is the calendar of the HIS.
var china = time.FixedZone("Asia/Shanghai", 8*60*60)

// input reads the flags.
func (f sampleFlags) input(now time.Time) (httphis.Input, error) {
	in := httphis.Input{
		PharmacyID: f.Pharmacy, HisNo: f.HisNo, LockID: f.LockID, HISOrderNo: f.HISOrderNo, DrugsFen: f.DrugsFen,
		TransactionID: f.Transaction, PaidAt: f.PaidAt, Until: f.Until, Attributes: f.Attr, Day: now,
	}
	if in.PaidAt.IsZero() {
		in.PaidAt = now
	}
	if in.Until.IsZero() {
		in.Until = now.Add(15 * time.Minute)
	}
	if f.Day != "" {
		var err error
		if in.Day, err = time.ParseInLocation(time.DateOnly, f.Day, china); err != nil {
			return in, fmt.Errorf("--day %s: is not a day such as 2026-11-22", f.Day)
		}
	}
	for _, d := range f.Drug {
		id, amount, given := strings.Cut(d, "=")
		line := hisadapter.Line{DrugID: id, Quantity: 1}
		if given {
			n, err := strconv.ParseInt(amount, 10, 64)
			if err != nil || n < 1 {
				return in, fmt.Errorf("--drug %s: the quantity is not a whole number of at least 1", d)
			}
			line.Quantity = n
		}
		if id == "" || slices.Contains(in.DrugIDs, id) {
			return in, fmt.Errorf("--drug %s: an id is missing, or stands twice", d)
		}
		in.Lines, in.DrugIDs = append(in.Lines, line), append(in.DrugIDs, id)
	}
	return in, nil
}

// forSQL is the same for a HIS that is spoken to in SQL.
func forSQL(in httphis.Input) sqlhis.Input {
	return sqlhis.Input{
		PharmacyID: in.PharmacyID, DrugIDs: in.DrugIDs, HisNo: in.HisNo, LockID: in.LockID, HISOrderNo: in.HISOrderNo, Lines: in.Lines,
		Until: in.Until, DrugsFen: in.DrugsFen, TransactionID: in.TransactionID, PaidAt: in.PaidAt, Attributes: in.Attributes, Day: in.Day,
	}
}

// writes reports whether an operation changes anything at the HIS.
func (f sampleFlags) writes() bool {
	return slices.Contains([]string{"freeze", "unfreeze", "place_order", "cancel_order"}, f.Op)
}
