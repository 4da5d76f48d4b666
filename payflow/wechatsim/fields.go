package wechatsim

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

// pointer turns the decoder's a.b into WeChat's /a/b.
func pointer(field string) string { return "/" + strings.ReplaceAll(field, ".", "/") }

// checkText bounds a field, in characters as WeChat's pages count them.
func checkText(field, value string, least, most int) *apiError {
	switch n := utf8.RuneCountInString(value); {
	case n == 0 && least > 0:
		return paramError(field, "输入源“/body"+field+"”映射到必填字段失败，必填，但输入为空")
	case !utf8.ValidString(value):
		return paramError(field, "not UTF-8")
	case n > 0 && n < least:
		return paramError(field, "字符串长度小于最小长度")
	case n > most:
		return paramError(field, "字符串长度大于最大长度")
	}
	return nil
}

// checkNumber bounds an out_trade_no or out_refund_no and its alphabet.
func checkNumber(field, value string, least, most int, also string) *apiError {
	if e := checkText(field, value, least, most); e != nil {
		return e
	}
	for _, c := range value {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(also, c) {
			return paramError(field, "只能是数字、大小写字母"+also)
		}
	}
	return nil
}

func checkTradeNo(value string) *apiError { return checkNumber("/out_trade_no", value, 6, 32, "_-|*") }

// checkNotifyURL wants https and no query. Plain http is taken for loopback only (the demo and tests).
func checkNotifyURL(value string, most int) *apiError {
	u, err := url.Parse(value)
	switch {
	case len(value) > most:
		return paramError("/notify_url", "字符串长度大于最大长度")
	case err != nil || u.Host == "":
		return paramError("/notify_url", "不是合法的URL")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return paramError("/notify_url", "通知URL不能携带参数")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return paramError("/notify_url", "通知URL必须为https")
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// canonical spells a JSON body so that equal requests have equal spellings: members sorted, numbers as written.
func canonical(body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(body)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(body)
	}
	return string(out)
}

// first returns the first error there is.
func first(errs ...*apiError) *apiError {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}
