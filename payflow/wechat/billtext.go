package wechat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hisgate/hisgate/payflow"
)

// A trade bill is text: a line of column names, a line for each trade, a line with the names of the sums, a line with
// the sums. Values begin with a backtick and are not quoted; amounts are yuan. A name of goods holds whatever the
// merchant wrote there, commas and even line ends; so columns before it are counted from the left, those after the
// merchant's data from the right, and a line that does not begin with a backtick goes on with the last one.

// billZone is the zone of the days and times of bills.
func billZone() *time.Location { return time.FixedZone("Asia/Shanghai", 8*60*60) }

const (
	maxBillLine   = 64 << 10
	sumsBeginWith = "总交易单数"
	billBOM       = "\ufeff"
	valueBreak    = ",`"
)

// The columns that are read, by name.
const (
	colTime        = "交易时间"
	colAppID       = "公众账号ID"
	colMchID       = "商户号"
	colTransaction = "微信订单号"
	colOrderNo     = "商户订单号"
	colState       = "交易状态"
	colCurrency    = "货币种类"
	colRefundID    = "微信退款单号"
	colRefundNo    = "商户退款单号"
	colRefundState = "退款状态"
	colOrderFen    = "订单金额"
	colRefundFen   = "申请退款金额"

	colGoods  = "商品名称"  // the first column of free text
	colAttach = "商户数据包" // the last

	sumOrderFen  = "订单总金额"
	sumRefundFen = "申请退款总金额"
)

// billColumns finds columns by name.
type billColumns struct {
	names         []string
	goods, attach int // -1 = not there
	at            map[string]int
}

func newBillColumns(header string) (*billColumns, error) {
	c := &billColumns{names: strings.Split(header, ","), at: map[string]int{}}
	for i, name := range c.names {
		name = strings.TrimPrefix(strings.TrimSpace(name), "`")
		if _, twice := c.at[name]; twice {
			return nil, fmt.Errorf("column %q stands there twice", clean(name, 32))
		}
		c.at[name] = i
	}
	for _, name := range []string{colTime, colTransaction, colOrderNo, colState, colRefundNo, colRefundState, colOrderFen, colRefundFen} {
		if _, there := c.at[name]; !there {
			return nil, fmt.Errorf("there is no column %s", name)
		}
	}
	c.goods, c.attach = c.index(colGoods), c.index(colAttach)
	return c, nil
}

func (c *billColumns) index(name string) int {
	if i, there := c.at[name]; there {
		return i
	}
	return -1
}

// value returns a column of a row; "" when the bill has no such column.
func (c *billColumns) value(values []string, name string) string {
	i := c.index(name)
	if i < 0 {
		return ""
	}
	if last := max(c.goods, c.attach); last >= 0 && i > last {
		i += len(values) - len(c.names)
	}
	return strings.TrimSpace(values[i])
}

// split takes a row apart. More values than columns are possible only where free text holds a comma with a backtick.
func (c *billColumns) split(line string) ([]string, error) {
	values := strings.Split(strings.TrimPrefix(line, "`"), valueBreak)
	switch extra := len(values) - len(c.names); {
	case extra < 0:
		return nil, fmt.Errorf("has %d values for %d columns", len(values), len(c.names))
	case extra > 0 && c.goods < 0 && c.attach < 0:
		return nil, fmt.Errorf("has %d values for %d columns", len(values), len(c.names))
	}
	return values, nil
}

// readBill reads a bill to its sums, hands its rows to each and compares them with the sums. It holds one row at a time.
// Errors: *payflow.BillError, ctx's, and those of each.
func readBill(ctx context.Context, in io.Reader, each func(payflow.BillRow) error) (payflow.BillTotals, error) {
	lines := newBillLines(in)
	header, err := lines.next()
	if err != nil {
		return payflow.BillTotals{}, err
	}
	columns, err := newBillColumns(strings.TrimPrefix(header, billBOM))
	if err != nil {
		return payflow.BillTotals{}, &payflow.BillError{Line: lines.line, Reason: err.Error()}
	}
	var sums payflow.BillTotals
	for {
		line, err := lines.next()
		if err != nil {
			return payflow.BillTotals{}, err
		}
		at := lines.line
		if strings.HasPrefix(strings.TrimPrefix(line, "`"), sumsBeginWith) {
			return sums, checkSums(lines, line, sums)
		}
		row, err := columns.row(line)
		if err != nil {
			return payflow.BillTotals{}, &payflow.BillError{Line: at, Reason: err.Error()}
		}
		sums.Rows++
		sums.OrderFen += row.OrderFen
		sums.RefundFen += row.RefundFen
		if err := each(row); err != nil {
			return payflow.BillTotals{}, err
		}
		if sums.Rows%1024 == 0 && ctx.Err() != nil {
			return payflow.BillTotals{}, ctx.Err()
		}
	}
}

func (c *billColumns) row(line string) (payflow.BillRow, error) {
	if !strings.HasPrefix(line, "`") {
		return payflow.BillRow{}, errors.New("does not begin with a backtick")
	}
	values, err := c.split(line)
	if err != nil {
		return payflow.BillRow{}, err
	}
	r := payflow.BillRow{
		AppID: c.value(values, colAppID), MchID: c.value(values, colMchID), OrderNo: c.value(values, colOrderNo),
		TransactionID: c.value(values, colTransaction), State: strings.ToUpper(c.value(values, colState)),
		Currency: c.value(values, colCurrency), RefundState: strings.ToUpper(c.value(values, colRefundState)),
	}
	if no := c.value(values, colRefundNo); no != "0" { // 0 = no refund
		r.OutRefundNo, r.RefundID = no, c.value(values, colRefundID)
	}
	if r.State == "REFUND" && r.OutRefundNo == "" { // one that nobody numbered has WeChat's number alone
		if r.RefundID = c.value(values, colRefundID); r.RefundID == "" || r.RefundID == "0" {
			return r, errors.New("is a refund without a number")
		}
		r.OutRefundNo = r.RefundID
	}
	if r.At, err = time.ParseInLocation(time.DateTime, c.value(values, colTime), billZone()); err != nil {
		return r, fmt.Errorf("%s is no time", colTime)
	}
	if r.OrderFen, err = parseYuan(c.value(values, colOrderFen)); err != nil {
		return r, fmt.Errorf("%s %w", colOrderFen, err)
	}
	if r.RefundFen, err = parseYuan(c.value(values, colRefundFen)); err != nil {
		return r, fmt.Errorf("%s %w", colRefundFen, err)
	}
	switch {
	case r.TransactionID == "" || r.OrderNo == "":
		return r, errors.New("names no transaction or no order")
	case r.State == "":
		return r, fmt.Errorf("%s is empty", colState)
	}
	// Strings of a row share the line's memory: whoever keeps one keeps the line.
	return r, nil
}

// checkSums compares the last line with the rows.
func checkSums(lines *billLines, names string, sums payflow.BillTotals) error {
	at := map[string]int{}
	for i, name := range strings.Split(names, ",") {
		at[strings.TrimPrefix(strings.TrimSpace(name), "`")] = i
	}
	line, err := lines.next()
	if err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return &payflow.BillError{Line: lines.line, Reason: fmt.Sprintf(format, args...)}
	}
	values := strings.Split(strings.TrimPrefix(line, "`"), valueBreak)
	if len(values) != len(at) {
		return bad("has %d sums for %d names", len(values), len(at))
	}
	if got := values[at[sumsBeginWith]]; got != fmt.Sprint(sums.Rows) {
		return bad("speaks of %s trades, and there are %d", clean(got, 20), sums.Rows)
	}
	for _, c := range []struct {
		name string
		want int64
	}{{sumOrderFen, sums.OrderFen}, {sumRefundFen, sums.RefundFen}} {
		i, there := at[c.name]
		if !there {
			return bad("there is no %s", c.name)
		}
		got, err := parseYuan(values[i])
		if err != nil {
			return bad("%s %v", c.name, err)
		}
		if got != c.want {
			return bad("%s is %d fen, and the rows add up to %d", c.name, got, c.want)
		}
	}
	switch rest, err := lines.next(); {
	case errors.Is(err, errBillEnds):
		return nil
	case err != nil:
		return err
	default:
		return bad("something follows the sums: %q", clean(rest, 32))
	}
}

var (
	errNoAmount = errors.New("is no amount in yuan")
	errBillEnds = &payflow.BillError{Reason: "ends before its sums: it was cut"}
)

// maxYuanDigits keeps the sum of millions of rows far below 2^63.
const maxYuanDigits = 11

// parseYuan reads an amount exactly, as fen: 12, 12.3, 12.34, and 12.34000; anything finer than a fen is refused.
func parseYuan(s string) (int64, error) {
	negative := strings.HasPrefix(s, "-")
	whole, part, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if whole == "" || len(whole) > maxYuanDigits {
		return 0, errNoAmount
	}
	for len(part) < 2 {
		part += "0"
	}
	if strings.Trim(part[2:], "0") != "" {
		return 0, errNoAmount
	}
	var fen int64
	for _, d := range whole + part[:2] {
		if d < '0' || d > '9' {
			return 0, errNoAmount
		}
		fen = fen*10 + int64(d-'0')
	}
	if negative {
		fen = -fen
	}
	return fen, nil
}

// billLines hands out the lines of a bill, joined where free text has line ends.
type billLines struct {
	in      *bufio.Scanner
	line    int // of the line handed out last, from 1
	read    int
	pending string
	held    bool
}

func newBillLines(in io.Reader) *billLines {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 16<<10), maxBillLine)
	return &billLines{in: s}
}

// next returns the next line that is not empty. Errors: errBillEnds, *payflow.BillError.
func (l *billLines) next() (string, error) {
	line, err := l.physical()
	if err != nil {
		return "", err
	}
	l.line = l.read
	for strings.HasPrefix(line, "`") {
		more, err := l.physical()
		if errors.Is(err, errBillEnds) {
			return line, nil
		}
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(more, "`") || strings.HasPrefix(more, sumsBeginWith) {
			l.pending, l.held = more, true
			return line, nil
		}
		if line += "\n" + more; len(line) > maxBillLine {
			return "", &payflow.BillError{Line: l.line, Reason: "is too long"}
		}
	}
	return line, nil
}

func (l *billLines) physical() (string, error) {
	if l.held {
		l.held = false
		return l.pending, nil
	}
	for l.in.Scan() {
		l.read++
		line := bytes.TrimRight(l.in.Bytes(), "\r")
		if !utf8.Valid(line) {
			return "", &payflow.BillError{Line: l.read, Reason: "is not UTF-8; WeChat's bills are (GBK?)"}
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return string(line), nil
		}
	}
	switch err := l.in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return "", &payflow.BillError{Line: l.read + 1, Reason: "is too long"}
	case err != nil:
		return "", &payflow.BillError{Line: l.read + 1, Reason: "cannot be read on: it was cut or altered"}
	}
	return "", errBillEnds
}
