package wechatsim

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1" // the digest that WeChat gives bills
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// bill is a file made by /v3/bill/tradebill and fetched with its token.
type bill struct {
	file    []byte // gzip where asked for
	gzip    bool
	expires time.Time
}

const billLinkLife = 5 * time.Minute

func (s *Sim) decodeTradeBill(r *http.Request, _ []byte) (call, *apiError) {
	q := r.URL.Query()
	day, err := time.ParseInLocation(time.DateOnly, q.Get("bill_date"), beijing())
	if err != nil {
		return call{}, queryError("bill_date", "格式应为YYYY-MM-DD")
	}
	kind := or(q.Get("bill_type"), "ALL")
	if kind != "ALL" && kind != "SUCCESS" && kind != "REFUND" {
		return call{}, queryError("bill_type", "应为ALL、SUCCESS或REFUND")
	}
	packed := q.Get("tar_type") == "GZIP"
	if q.Has("tar_type") && !packed {
		return call{}, queryError("tar_type", "应为GZIP")
	}
	return call{apply: func(now time.Time, f Fault) answer {
		today := startOfDay(now)
		switch {
		case !day.Before(today):
			return s.failure(queryError("bill_date", "只能下载今天以前的账单"))
		case day.Before(today.AddDate(0, -3, 0)):
			return s.failure(queryError("bill_date", "只能下载三个月以内的账单"))
		case day.Equal(today.AddDate(0, 0, -1)) && now.Before(today.Add(10*time.Hour)):
			return s.failure(&apiError{Status: http.StatusBadRequest, Code: "STATEMENT_CREATING", Message: "账单生成中"})
		}
		text := s.billText(day, kind)
		if text == "" {
			return s.failure(&apiError{Status: http.StatusBadRequest, Code: "NO_STATEMENT_EXIST", Message: "账单文件不存在"})
		}
		return s.offerBill(text, packed, f.Kind == KindWrongHash, now)
	}}, nil
}

func startOfDay(t time.Time) time.Time {
	y, m, d := t.In(beijing()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, beijing())
}

// offerBill keeps a bill for its five minutes and answers with the link to it. Under mu.
func (s *Sim) offerBill(text string, packed, wrongHash bool, now time.Time) answer {
	sum := sha1.Sum([]byte(text)) // of the uncompressed file, also where it travels compressed
	if wrongHash {
		sum[0]++
	}
	file := []byte(text)
	if packed {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(file) // a buffer takes everything
		_ = z.Close()
		file = b.Bytes()
	}
	for token, old := range s.bills {
		if now.After(old.expires) {
			delete(s.bills, token)
		}
	}
	token := randomHex(16)
	s.bills[token] = bill{file, packed, now.Add(billLinkLife)}
	return jsonAnswer(http.StatusOK, map[string]string{
		"hash_type": "SHA1", "hash_value": hex.EncodeToString(sum[:]),
		"download_url": s.opts.BaseURL + "/v3/billdownload/file?token=" + token,
	})
}

// decodeBillDownload hands out the file: the request is signed like any other, the answer never.
func (s *Sim) decodeBillDownload(r *http.Request, _ []byte) (call, *apiError) {
	token := r.URL.Query().Get("token")
	return call{apply: func(now time.Time, f Fault) answer {
		b, ok := s.bills[token]
		if !ok || now.After(b.expires) {
			a := s.failure(notFound("RESOURCE_NOT_EXISTS", "账单下载链接无效或已过期"))
			a.unsigned = true
			return a
		}
		contentType := "text/plain; charset=utf-8"
		if b.gzip {
			contentType = "application/x-gzip"
		}
		file := b.file
		if f.Kind == KindCut {
			file = file[:len(file)/2]
		}
		return answer{status: http.StatusOK, contentType: contentType, body: file, unsigned: true}
	}}, nil
}

const (
	billColumns = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额," +
		"微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
	billSums = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)

// billText is the CSV of a Beijing day: the payments made and the refunds accepted on it, with WeChat's habits: a
// backtick before every value, amounts in yuan, names with their commas, a byte order mark, CRLF. Empty: nothing
// happened. One layout serves all three bill types, for readers find columns by their header. Under mu.
func (s *Sim) billText(day time.Time, kind string) string {
	end := day.AddDate(0, 0, 1)
	on := func(t time.Time) bool { return !t.Before(day) && t.Before(end) }
	var rows []string
	var settled, refunded, ordered, asked int64
	if kind != "REFUND" {
		for _, t := range s.tradeOrder {
			if t.TransactionID == "" || !on(t.PaidAt) {
				continue
			}
			rows = append(rows, billRow(s.payColumns(t)))
			settled, ordered = settled+t.PayerTotal, ordered+t.Total
		}
	}
	if kind != "SUCCESS" {
		for _, rf := range s.refunded {
			if !on(rf.CreatedAt) {
				continue
			}
			rows = append(rows, billRow(s.refundColumns(rf)))
			refunded, asked = refunded+rf.PayerAmount, asked+rf.Amount
		}
	}
	if len(rows) == 0 {
		return ""
	}
	sums := []string{fmt.Sprint(len(rows)), yuan(settled), yuan(refunded), yuan(0), yuan(0), yuan(ordered), yuan(asked)}
	lines := append([]string{"\ufeff" + billColumns}, rows...)
	return strings.Join(append(lines, billSums, billRow(sums), ""), "\r\n")
}

func (s *Sim) payColumns(t *trade) []string {
	return []string{
		billTime(t.PaidAt), t.AppID, s.opts.MchID, "0", "", t.TransactionID, t.OutTradeNo, t.OpenID, t.TradeType, "SUCCESS",
		"OTHERS", "CNY", yuan(t.PayerTotal), yuan(t.Total - t.PayerTotal), "0", "0", yuan(0), yuan(0), "", "", t.Description,
		t.Attach, "0.00000", "0.60%", yuan(t.Total), yuan(0), "",
	}
}

func (s *Sim) refundColumns(rf *refund) []string {
	t := rf.trade
	return []string{
		billTime(rf.CreatedAt), t.AppID, s.opts.MchID, "0", "", t.TransactionID, t.OutTradeNo, t.OpenID, t.TradeType, "REFUND",
		"OTHERS", "CNY", yuan(0), yuan(0), rf.RefundID, rf.OutRefundNo, yuan(rf.PayerAmount), yuan(0), "ORIGINAL",
		string(rf.State), t.Description, t.Attach, "0.00000", "0.60%", yuan(0), yuan(rf.Amount), "",
	}
}

func billRow(values []string) string { return "`" + strings.Join(values, ",`") }

func billTime(t time.Time) string { return t.In(beijing()).Format(time.DateTime) }

func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
