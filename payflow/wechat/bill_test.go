package wechat_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

const billHeader = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额," +
	"微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"

const billSumNames = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"

// paidRow is a payment as a bill tells it.
func paidRow(no, yuan, goods string) string {
	return "`2026-11-21 12:00:00,`wx1,`1900000109,`0,`,`42" + no + ",`" + no + ",`o,`JSAPI,`SUCCESS,`OTHERS,`CNY,`" + yuan +
		",`0.00,`0,`0,`0.00,`0.00,`,`,`" + goods + ",`data,`0.00000,`0.60%,`" + yuan + ",`0.00,`"
}

func refundRow(no, yuan string) string {
	return "`2026-11-21 13:00:00,`wx1,`1900000109,`0,`,`42" + no + ",`" + no + ",`o,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50" + no +
		",`" + no + "-R1,`" + yuan + ",`0.00,`ORIGINAL,`SUCCESS,`药,`data,`0.00000,`0.60%,`0.00,`" + yuan + ",`"
}

func billOf(sums string, rows ...string) string {
	return "\ufeff" + billHeader + "\r\n" + strings.Join(append(rows, ""), "\r\n") + billSumNames + "\r\n" + sums + "\r\n"
}

// billServer announces a bill, signed, and serves it, unsigned.
type billServer struct {
	text string          // what the announcement is about
	file func(io.Writer) // what is served; nil = the text
	link string          // "" = on WeChat's host
	got  []*http.Request // that fetched the file
	seal *wechatsim.Sealer
	hash func(string) string // nil = as it is
}

func serveBill(t testing.TB, text string) *billServer {
	return &billServer{text: text, seal: must(wechatsim.NewSealer(keys(t)))(t)}
}

func (b *billServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v3/billdownload/") {
		b.got = append(b.got, r)
		in, out := io.Pipe()
		go func() {
			if b.file != nil {
				b.file(out)
			} else {
				_, _ = io.WriteString(out, b.text)
			}
			out.Close()
		}()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: in, Request: r}, nil
	}
	sum := sha1.Sum([]byte(b.text))
	hash := hex.EncodeToString(sum[:])
	if b.hash != nil {
		hash = b.hash(hash)
	}
	link := b.link
	if link == "" {
		link = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=abc"
	}
	body := fmt.Sprintf(`{"hash_type":"SHA1","hash_value":%q,"download_url":%q}`, hash, link)
	return &http.Response{
		StatusCode: http.StatusOK, Header: b.seal.Header([]byte(body), time.Now(), wechatsim.ModePublicKey, wechatsim.SignGood),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func readAll(t testing.TB, rt http.RoundTripper) ([]payflow.BillRow, payflow.BillTotals, error) {
	t.Helper()
	var rows []payflow.BillRow
	totals, err := open(t, rt).TradeBill(t.Context(), time.Now().AddDate(0, 0, -1), func(r payflow.BillRow) error {
		rows = append(rows, r)
		return nil
	})
	return rows, totals, err
}

func TestBillRowsAreRead(t *testing.T) {
	text := billOf("`4,`32.00,`1.01,`0.00,`0.00,`32.02,`1.01",
		paidRow("ORDER1", "16.00", "甲硝唑片,阿莫西林"), paidRow("ORDER2", "16.00", "a,`b,`c"), paidRow("ORDER3", "0.02", "two\r\nlines"),
		refundRow("ORDER2", "1.01"))
	rows, totals, err := readAll(t, serveBill(t, text))
	if err != nil || len(rows) != 4 {
		t.Fatalf("%v, %d rows", err, len(rows))
	}
	if totals.Rows != 4 || totals.OrderFen != 3202 || totals.RefundFen != 101 || totals.Empty || totals.SHA1 == "" {
		t.Errorf("totals %+v", totals)
	}
	for i, want := range []int64{1600, 1600, 2} {
		if r := rows[i]; r.OrderFen != want || r.RefundFen != 0 || r.OutRefundNo != "" || r.State != "SUCCESS" || r.AppID != "wx1" || r.MchID != mchID {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	r := rows[3]
	if r.OrderNo != "ORDER2" || r.OutRefundNo != "ORDER2-R1" || r.RefundID != "50ORDER2" || r.RefundFen != 101 || r.RefundState != "SUCCESS" {
		t.Errorf("refund %+v", r)
	}
	if want := time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC); !r.At.Equal(want) {
		t.Errorf("at %v, want %v", r.At, want)
	}
}

func TestBillMayComePacked(t *testing.T) {
	b := serveBill(t, billOf("`1,`16.00,`0.00,`0.00,`0.00,`16.00,`0.00", paidRow("ORDER1", "16.00", "药")))
	b.file = func(w io.Writer) {
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, b.text)
		z.Close()
	}
	if rows, _, err := readAll(t, b); err != nil || len(rows) != 1 {
		t.Fatalf("%v, %d rows", err, len(rows))
	}
}

// TestNothingOfABadBillIsHandedOut: the hash first, and rows only once all of them and the sums are good.
func TestNothingOfABadBillIsHandedOut(t *testing.T) {
	good := billOf("`2,`16.00,`1.00,`0.00,`0.00,`16.00,`1.00", paidRow("ORDER1", "16.00", "药"), refundRow("ORDER1", "1.00"))
	altered := func(text string) func(*billServer) { return func(b *billServer) { b.text = text } }
	for name, tt := range map[string]struct {
		change func(*billServer)
		want   string
	}{
		"another hash": {func(b *billServer) { b.hash = func(string) string { return strings.Repeat("ab", 20) } }, "hash"},
		"cut":          {func(b *billServer) { b.file = func(w io.Writer) { _, _ = io.WriteString(w, good[:len(good)-40]) } }, "hash"},
		"altered fen": {func(b *billServer) {
			b.file = func(w io.Writer) { _, _ = io.WriteString(w, strings.Replace(good, "16.00", "17.00", 1)) }
		}, "hash"},
		"packed and cut": {func(b *billServer) { b.file = func(w io.Writer) { _, _ = w.Write(packed(good)[:60]) } }, "hash"},
		"empty file":     {func(b *billServer) { b.file = func(io.Writer) {} }, "hash"},
		"no sums":        {altered(good[:strings.Index(good, "总交易")]), "ends before its sums"},
		"fewer rows":     {altered(strings.Replace(good, "`2,`16", "`3,`16", 1)), "speaks of 3 trades"},
		"other sum":      {altered(strings.Replace(good, "`16.00,`1.00\r\n", "`16.01,`1.00\r\n", 1)), "订单总金额"},
		"other refunds":  {altered(strings.Replace(good, "`16.00,`1.00\r\n", "`16.00,`2.00\r\n", 1)), "申请退款总金额"},
		"too fine":       {altered(strings.Replace(good, "`16.00,`0.00,`\r", "`16.001,`0.00,`\r", 1)), "line 2: 订单金额"},
		"no amount":      {altered(strings.Replace(good, "`16.00,`0.00,`\r", "`1e3,`0.00,`\r", 1)), "line 2: 订单金额"},
		"values missing": {altered(strings.Replace(good, "`CNY,", "", 1)), "line 2: has 26 values"},
		"no number":      {altered(strings.Replace(strings.Replace(good, "`50ORDER1", "`0", 1), "`ORDER1-R1", "`0", 1)), "line 3: is a refund without"},
		"no time":        {altered(strings.Replace(good, "2026-11-21 13", "2026-11-41 13", 1)), "line 3: 交易时间"},
		"no column":      {altered(strings.Replace(good, "订单金额,申请", "总额,申请", 1)), "no column 订单金额"},
		"GBK":            {altered(strings.Replace(good, "`药", "`\xb0\xa2", 1)), "GBK"},
		"long line":      {altered(strings.Replace(good, "`药", "`"+strings.Repeat("x", 70<<10), 1)), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			b := serveBill(t, good)
			tt.change(b)
			rows, _, err := readAll(t, b)
			var bad *payflow.BillError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a *BillError with %q", err, tt.want)
			}
			if len(rows) > 0 {
				t.Errorf("%d rows were handed out", len(rows))
			}
		})
	}
}

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	z.Close()
	return b.Bytes()
}

func TestBillIsFetchedFromWeChatAlone(t *testing.T) {
	text := billOf("`1,`16.00,`0.00,`0.00,`0.00,`16.00,`0.00", paidRow("ORDER1", "16.00", "药"))
	for link, good := range map[string]bool{
		"https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Bb": true,
		"https://api2.mch.weixin.qq.com/v3/billdownload/file?token=a":    true,
		"https://evil.example/v3/billdownload/file?token=a":              false,
		"https://u:p@api.mch.weixin.qq.com/v3/billdownload/file":         false,
		"https://xmch.weixin.qq.com.evil.example/v3/billdownload/file":   false,
		"": true,
	} {
		b := serveBill(t, text)
		b.link = link
		_, _, err := readAll(t, b)
		if (err == nil) != good || len(b.got) > 0 != good {
			t.Errorf("%s: %v, fetched %d times", link, err, len(b.got))
		}
		for _, r := range b.got {
			if r.Header.Get("Authorization") == "" || r.URL.Host == "" {
				t.Errorf("%s: fetched without our signature", link)
			}
		}
	}
}

func TestBillLeavesNoFileBehind(t *testing.T) {
	dir := t.TempDir()
	b := serveBill(t, billOf("`1,`16.00,`0.00,`0.00,`0.00,`16.00,`0.00", paidRow("ORDER1", "16.00", "药")))
	c := open(t, b, func(o *wechat.Options) { o.BillDir = dir })
	stop := errors.New("stop")
	if _, err := c.TradeBill(t.Context(), time.Now(), func(payflow.BillRow) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of the reader", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v left", err, left)
	}
}

func TestBillOfTheSimulator(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t)
		c := open(t, sim.RoundTripper())
		day := time.Now()
		rows := func() ([]payflow.BillRow, payflow.BillTotals, error) {
			var rows []payflow.BillRow
			totals, err := c.TradeBill(t.Context(), day, func(r payflow.BillRow) error { rows = append(rows, r); return nil })
			return rows, totals, err
		}
		prepay(t, c, "ORDER0001")
		if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
			t.Fatal(err)
		}
		if _, err := sim.Refund(t.Context(), "ORDER0001", 101, "console"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour) // 09:00 the next day in Beijing
		if _, _, err := rows(); !errors.Is(err, payflow.ErrBillNotReady) {
			t.Errorf("before ten: %v", err)
		}
		time.Sleep(2 * time.Hour)
		got, totals, err := rows()
		if err != nil || len(got) != 2 || totals.OrderFen != 1600 || totals.RefundFen != 101 {
			t.Fatalf("%v, %+v, %+v", err, totals, got)
		}
		day = day.AddDate(0, 0, -1)
		if got, totals, err := rows(); err != nil || !totals.Empty || len(got) > 0 {
			t.Errorf("an empty day: %v, %+v", err, totals)
		}
		day = time.Now()
		_, _, err = rows()
		channelError(t, err, payflow.ChannelMisconfigured) // today's cannot be had
		day = day.AddDate(0, 0, -1)
		for _, f := range []wechatsim.Fault{
			{Op: wechatsim.OpTradeBill, Sign: wechatsim.SignTampered},
			{Op: wechatsim.OpTradeBill, Kind: wechatsim.KindStatus},
			{Op: wechatsim.OpBillDownload, Kind: wechatsim.KindStatus, Status: 404},
			{Op: wechatsim.OpBillDownload, Kind: wechatsim.KindResetBefore},
		} {
			if err := sim.Inject(f); err != nil {
				t.Fatal(err)
			}
			got, _, err := rows()
			if channelError(t, err, payflow.ChannelUnknown); len(got) > 0 {
				t.Errorf("%+v: %d rows", f, len(got))
			}
		}
		for _, k := range []wechatsim.FaultKind{wechatsim.KindCut, wechatsim.KindWrongHash} {
			op := wechatsim.OpBillDownload
			if k == wechatsim.KindWrongHash {
				op = wechatsim.OpTradeBill
			}
			if err := sim.Inject(wechatsim.Fault{Op: op, Kind: k}); err != nil {
				t.Fatal(err)
			}
			var bad *payflow.BillError
			if got, _, err := rows(); !errors.As(err, &bad) || len(got) > 0 {
				t.Errorf("%s: %v, %d rows", k, err, len(got))
			}
		}
		if got, _, err := rows(); err != nil || len(got) != 2 {
			t.Errorf("in the end: %v, %d rows", err, len(got))
		}
	})
}

// TestBillOfManyRowsNeedsNoMemory reads a bill that is made while it is fetched: what is alive at any time does not
// grow with it. HISGATE_BILL_ROWS=1000000 makes it a million rows.
func TestBillOfManyRowsNeedsNoMemory(t *testing.T) {
	n := 100_000 // 30 MB: far more than the bound below
	if rows := os.Getenv("HISGATE_BILL_ROWS"); rows != "" {
		n = must(strconv.Atoi(rows))(t)
	}
	write := func(w io.Writer) {
		_, _ = io.WriteString(w, "\ufeff"+billHeader+"\r\n")
		for i := range n {
			_, _ = io.WriteString(w, paidRow(fmt.Sprintf("ORDER%09d", i), "16.00", "药品,费用")+"\r\n")
		}
		fmt.Fprintf(w, "%s\r\n`%d,`0.00,`0.00,`0.00,`0.00,`%d.00,`0.00\r\n", billSumNames, n, 16*n)
	}
	sum := sha1.New()
	write(sum)
	b := serveBill(t, "")
	b.hash = func(string) string { return hex.EncodeToString(sum.Sum(nil)) }
	b.file = func(w io.Writer) {
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		write(z)
		z.Close()
	}
	c := open(t, b)
	const bound = 8 << 20
	before, most, rows := alive(), uint64(0), 0
	totals, err := c.TradeBill(context.Background(), time.Now(), func(payflow.BillRow) error {
		if rows++; rows%(n/4) == 0 {
			most = max(most, alive())
		}
		return nil
	})
	if err != nil || rows != n || totals.OrderFen != int64(n)*1600 {
		t.Fatalf("%v, %d rows, %+v", err, rows, totals)
	}
	if most > before+bound {
		t.Errorf("%d bytes alive while reading, %d before", most, before)
	}
}

// alive is what a collection leaves.
func alive() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
