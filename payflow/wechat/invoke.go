package wechat

import (
	"slices"
	"strconv"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/hisgate/hisgate/payflow"
)

// Invoke implements payflow.PayChannel, with a time and nonce of their own each time. JSAPI: exactly the keys of
// wx.requestPayment and WeixinJSBridge (appId, timeStamp, nonceStr, package, signType, paySign). APP: exactly the keys of
// the OpenSDK's PayReq (appid, partnerid, prepayid, package, noncestr, timestamp, sign). Errors: *payflow.FieldError, also
// for a method that pays without either.
func (c *Channel) Invoke(method payflow.Method, appID, prepayID string) (map[string]string, error) {
	switch method {
	case payflow.JSAPI:
		return c.invokePage(appID, prepayID)
	case payflow.App:
		return c.invokeApp(appID, prepayID)
	default:
		return nil, &payflow.FieldError{Field: "method", Reason: "is paid by its own link, not by an app"}
	}
}

func (c *Channel) invokePage(appID, prepayID string) (map[string]string, error) {
	pack := "prepay_id=" + prepayID
	timeStamp, nonce, sign, err := c.signInvoke(appID, prepayID, pack)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"appId": appID, "timeStamp": timeStamp, "nonceStr": nonce, "package": pack, "signType": "RSA", "paySign": sign,
	}, nil
}

func (c *Channel) invokeApp(appID, prepayID string) (map[string]string, error) {
	timeStamp, nonce, sign, err := c.signInvoke(appID, prepayID, prepayID)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"appid": appID, "partnerid": c.mchID, "prepayid": prepayID, "package": "Sign=WXPay",
		"noncestr": nonce, "timestamp": timeStamp, "sign": sign,
	}, nil
}

// signInvoke signs appid, time, nonce and the last line, which is the package for wx.requestPayment and the bare prepay_id
// for an app.
func (c *Channel) signInvoke(appID, prepayID, last string) (timeStamp, nonce, sign string, err error) {
	if !slices.Contains(c.appIDs, appID) {
		return "", "", "", &payflow.FieldError{Field: "appid", Reason: "is not configured for this merchant"}
	}
	if !appIDForm.MatchString(appID) || !prepayIDForm.MatchString(prepayID) {
		return "", "", "", &payflow.FieldError{Field: "prepay_id", Reason: "is none"}
	}
	if nonce, err = utils.GenerateNonce(); err != nil {
		return "", "", "", &payflow.FieldError{Field: "nonce", Reason: "no randomness"}
	}
	timeStamp = strconv.FormatInt(c.now().Unix(), 10)
	sign, err = utils.SignSHA256WithRSA(appID+"\n"+timeStamp+"\n"+nonce+"\n"+last+"\n", c.merchantKey)
	if err != nil {
		return "", "", "", &payflow.FieldError{Field: "sign", Reason: "the merchant key cannot sign"}
	}
	return timeStamp, nonce, sign, nil
}
