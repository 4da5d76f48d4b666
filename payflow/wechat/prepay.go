package wechat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hisgate/hisgate/payflow"
)

// prepayBody is the request of all four ways to pay. Its members are encoded in this order: the same intent always gives
// the same bytes, in this process and in a later one.
type prepayBody struct {
	AppID       string     `json:"appid"`
	MchID       string     `json:"mchid"`
	Description string     `json:"description"`
	OutTradeNo  string     `json:"out_trade_no"`
	TimeExpire  string     `json:"time_expire"`
	Attach      string     `json:"attach,omitempty"`
	NotifyURL   string     `json:"notify_url"`
	Amount      amountBody `json:"amount"`
	Payer       *payerBody `json:"payer,omitempty"`
	Scene       *sceneBody `json:"scene_info,omitempty"`
}

type amountBody struct {
	Total    int64  `json:"total"`
	Currency string `json:"currency"`
}

type payerBody struct {
	OpenID string `json:"openid"`
}

type sceneBody struct {
	PayerClientIP string `json:"payer_client_ip"`
	H5            h5Body `json:"h5_info"`
}

type h5Body struct {
	Type string `json:"type"`
}

const currencyCNY = "CNY"

var (
	outTradeNoForm = regexp.MustCompile(`^[0-9A-Za-z_-]{6,32}$`)
	openIDForm     = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
	prepayIDForm   = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
)

// beijing is how time_expire is spelled.
func beijing(t time.Time) string {
	return t.In(time.FixedZone("CST", 8*60*60)).Format(time.RFC3339)
}

// prepayPath is the address of a method, "" for one that WeChat does not have.
func prepayPath(m payflow.Method) string {
	switch m {
	case payflow.JSAPI:
		return "/v3/pay/transactions/jsapi"
	case payflow.Native:
		return "/v3/pay/transactions/native"
	case payflow.H5:
		return "/v3/pay/transactions/h5"
	case payflow.App:
		return "/v3/pay/transactions/app"
	}
	return ""
}

// BuildPrepay implements payflow.PayChannel. An openid is used for JSAPI alone and a client address for H5 alone; where
// they are not used they are not looked at. time_expire is cut to whole seconds. Equal intents give equal bytes.
func (c *Channel) BuildPrepay(p payflow.PrepayIntent) ([]byte, error) {
	if e := c.checkPrepay(p); e != nil {
		return nil, e
	}
	b := prepayBody{
		AppID: p.AppID, MchID: c.mchID, Description: p.Description, OutTradeNo: p.OrderNo, TimeExpire: beijing(p.TimeExpire),
		Attach: p.Attach, NotifyURL: c.notifyURL, Amount: amountBody{p.TotalFen, currencyCNY},
	}
	switch p.Method {
	case payflow.JSAPI:
		b.Payer = &payerBody{p.OpenID}
	case payflow.H5:
		b.Scene = &sceneBody{p.ClientIP, h5Body{"Wap"}}
	}
	body, err := json.Marshal(b)
	if err != nil {
		return nil, &payflow.FieldError{Field: "prepay", Reason: "cannot be encoded"}
	}
	return body, nil
}

func (c *Channel) checkPrepay(p payflow.PrepayIntent) *payflow.FieldError {
	field := func(name, format string, args ...any) *payflow.FieldError {
		return &payflow.FieldError{Field: name, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case prepayPath(p.Method) == "":
		return field("method", "%q is none of JSAPI, NATIVE, H5, APP", p.Method)
	case !outTradeNoForm.MatchString(p.OrderNo):
		return field("order_no", "must be 6 to 32 of 0-9 A-Z a-z _ -")
	case !slices.Contains(c.appIDs, p.AppID):
		return field("appid", "%q is not configured for this merchant", clean(p.AppID, 32))
	case p.TotalFen <= 0:
		return field("total_fen", "must be at least 1")
	case p.TimeExpire.IsZero():
		return field("time_expire", "is missing")
	case !p.TimeExpire.After(c.now()):
		return field("time_expire", "has passed")
	case p.Method == payflow.JSAPI && p.OpenID == "":
		return field("payer_openid", "is needed for JSAPI")
	case p.Method == payflow.JSAPI && !openIDForm.MatchString(p.OpenID):
		return field("payer_openid", "is no openid")
	}
	if reason := checkText(p.Description, 1, 127); reason != "" {
		return field("description", "%s", reason)
	}
	if reason := checkText(p.Attach, 0, 128); reason != "" {
		return field("attach", "%s", reason)
	}
	if p.Method == payflow.H5 {
		if ip, err := netip.ParseAddr(p.ClientIP); err != nil || ip.Zone() != "" || len(p.ClientIP) > 45 {
			return field("client_ip", "must be the patient's IPv4 or IPv6 address for H5")
		}
	}
	return nil
}

// checkText returns what is wrong with a text of least to most characters. Broken UTF-8 would be mended silently by the
// JSON encoder, and control characters have no place on a bill.
func checkText(s string, least, most int) string {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case n < least:
		return "is missing"
	case n > most:
		return fmt.Sprintf("has %d characters, at most %d are taken", n, most)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "has control characters"
		}
	}
	return ""
}

// Prepay implements payflow.PayChannel. The body goes out as it is, byte by byte: WeChat refuses a repeat that differs.
// A refusal with ORDERPAID means that the order is paid, with ORDERCLOSED or OUTTRADENOUSED that its number is used up.
func (c *Channel) Prepay(ctx context.Context, method payflow.Method, body []byte) (payflow.Prepay, error) {
	path := prepayPath(method)
	switch {
	case path == "":
		return payflow.Prepay{}, badInput(opPrepay, &payflow.FieldError{Field: "method", Reason: "is unknown"})
	case len(body) == 0:
		return payflow.Prepay{}, badInput(opPrepay, &payflow.FieldError{Field: "body", Reason: "is empty"})
	}
	answer, err := c.call(ctx, opPrepay, path, body, http.StatusOK)
	if err != nil {
		return payflow.Prepay{}, err
	}
	var got struct {
		PrepayID string `json:"prepay_id"`
		CodeURL  string `json:"code_url"`
		H5URL    string `json:"h5_url"`
	}
	if json.Unmarshal(answer, &got) != nil {
		return payflow.Prepay{}, unreadable(opPrepay, http.StatusOK, "is not JSON of the documented form")
	}
	p := payflow.Prepay{}
	switch method {
	case payflow.Native:
		p.CodeURL = got.CodeURL
	case payflow.H5:
		p.H5URL = got.H5URL
	default:
		p.PrepayID = got.PrepayID
	}
	if p == (payflow.Prepay{}) {
		return p, unreadable(opPrepay, http.StatusOK, "names nothing to pay with")
	}
	return p, nil
}
