package wechatsim

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

type prepayRequest struct {
	AppID       string `json:"appid"`
	MchID       string `json:"mchid"`
	Description string `json:"description"`
	OutTradeNo  string `json:"out_trade_no"`
	TimeExpire  string `json:"time_expire"`
	Attach      string `json:"attach"`
	NotifyURL   string `json:"notify_url"`
	Amount      *struct {
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
	Payer *struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
	SceneInfo *struct {
		PayerClientIP string `json:"payer_client_ip"`
		H5Info        *struct {
			Type string `json:"type"`
		} `json:"h5_info"`
	} `json:"scene_info"`
}

// tradeType is what queries call the ways to pay.
func tradeType(method string) string {
	switch method {
	case "jsapi":
		return "JSAPI"
	case "native":
		return "NATIVE"
	case "h5":
		return "MWEB"
	case "app":
		return "APP"
	}
	return ""
}

func (s *Sim) decodePrepay(r *http.Request, body []byte) (call, *apiError) {
	kind := tradeType(r.PathValue("method"))
	if kind == "" {
		return call{}, notFound("RESOURCE_NOT_EXISTS", "请求的资源不存在")
	}
	var req prepayRequest
	if e := decodeJSON(body, &req); e != nil {
		return call{}, e
	}
	c := call{outTradeNo: req.OutTradeNo}
	expire, e := s.checkPrepay(req, kind)
	if e != nil {
		return c, e
	}
	params := canonical(body)
	c.apply = func(now time.Time, _ Fault) answer {
		t, e := s.prepay(req, kind, params, expire, now)
		if e != nil {
			return s.failure(e)
		}
		return jsonAnswer(http.StatusOK, prepayAnswer(t))
	}
	return c, nil
}

func (s *Sim) checkPrepay(req prepayRequest, kind string) (expire time.Time, e *apiError) {
	e = first(
		checkText("/appid", req.AppID, 1, 32),
		checkText("/mchid", req.MchID, 1, 32),
		checkText("/description", req.Description, 1, 127),
		checkTradeNo(req.OutTradeNo),
		checkText("/attach", req.Attach, 0, 128),
		checkNotifyURL(req.NotifyURL, 255),
	)
	switch {
	case e != nil:
		return expire, e
	case req.MchID != s.opts.MchID:
		return expire, invalidRequest("请求的商户号与签名的商户号不一致")
	case len(s.opts.AppIDs) > 0 && !slices.Contains(s.opts.AppIDs, req.AppID):
		return expire, &apiError{Status: http.StatusBadRequest, Code: "APPID_MCHID_NOT_MATCH", Message: "商户号该产品权限未开通或appid与mch_id不匹配"}
	case req.Amount == nil:
		return expire, paramError("/amount", "必填，但输入为空")
	case req.Amount.Total < 1:
		return expire, paramError("/amount/total", "值小于最小值 1")
	case req.Amount.Currency != "" && req.Amount.Currency != "CNY":
		return expire, paramError("/amount/currency", "境内商户号仅支持CNY")
	case kind == "JSAPI" && (req.Payer == nil || req.Payer.OpenID == ""):
		return expire, paramError("/payer/openid", "必填，但输入为空")
	case req.Payer != nil && len(req.Payer.OpenID) > 128:
		return expire, paramError("/payer/openid", "字符串长度大于最大长度")
	case kind == "MWEB" && (req.SceneInfo == nil || req.SceneInfo.PayerClientIP == ""):
		return expire, paramError("/scene_info/payer_client_ip", "必填，但输入为空")
	case kind == "MWEB" && (req.SceneInfo.H5Info == nil || req.SceneInfo.H5Info.Type == ""):
		return expire, paramError("/scene_info/h5_info/type", "必填，但输入为空")
	}
	if req.TimeExpire != "" {
		var err error
		if expire, err = time.Parse(time.RFC3339, req.TimeExpire); err != nil {
			return expire, paramError("/time_expire", "不是合法的rfc3339时间")
		}
	}
	return expire, nil
}

// prepay takes an order, or finds the same one again. Under mu.
//
// As WeChat's pages say: a time_expire earlier than a minute from now is moved there, none means seven days, and it ends
// paying, not the order.
func (s *Sim) prepay(req prepayRequest, kind, params string, expire, now time.Time) (*trade, *apiError) {
	if t := s.trades[req.OutTradeNo]; t != nil {
		return t, s.prepayAgain(t, kind, params, now)
	}
	if expire.IsZero() {
		expire = now.Add(7 * 24 * time.Hour)
	}
	if soonest := now.Add(time.Minute); expire.Before(soonest) {
		expire = soonest
	}
	t := &trade{
		Trade: Trade{
			OutTradeNo: req.OutTradeNo, AppID: req.AppID, TradeType: kind, Description: req.Description,
			Attach: req.Attach, NotifyURL: req.NotifyURL, Total: req.Amount.Total, State: TradeNotPay,
			PrepayID: s.newPrepayID(now), CreatedAt: now, PrepaidAt: now, TimeExpire: expire,
		},
		params: params,
	}
	t.CodeURL = "weixin://wxpay/bizpayurl?pr=" + t.PrepayID[16:]
	if req.Payer != nil {
		t.OpenID = req.Payer.OpenID
	}
	s.trades[t.OutTradeNo] = t
	s.tradeOrder = append(s.tradeOrder, t)
	return t, nil
}

func (s *Sim) prepayAgain(t *trade, kind, params string, now time.Time) *apiError {
	switch {
	case t.burned:
		return invalidRequest("请求重入时，参数与首次请求时不一致")
	case t.TransactionID != "":
		return &apiError{Status: http.StatusBadRequest, Code: "ORDER_PAID", Message: "该订单已支付"}
	case t.State == TradeClosed:
		return &apiError{Status: http.StatusBadRequest, Code: "ORDER_CLOSED", Message: "该订单已关闭，请重新下单"}
	case t.TradeType != kind:
		return &apiError{Status: http.StatusForbidden, Code: "OUT_TRADE_NO_USED", Message: "商户订单号重复"}
	case t.params != params:
		return invalidRequest("请求重入时，参数与首次请求时不一致")
	case !now.Before(t.TimeExpire):
		return invalidRequest("订单已超过支付结束时间")
	case now.Sub(t.PrepaidAt) >= prepayLife:
		t.PrepayID, t.PrepaidAt = s.newPrepayID(now), now
		t.CodeURL = "weixin://wxpay/bizpayurl?pr=" + t.PrepayID[16:]
	}
	return nil
}

func prepayAnswer(t *trade) any {
	switch t.TradeType {
	case "NATIVE":
		return map[string]string{"code_url": t.CodeURL}
	case "MWEB":
		q := url.Values{"prepay_id": {t.PrepayID}, "package": {t.PrepayID[16:]}}
		return map[string]string{"h5_url": "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?" + q.Encode()}
	}
	return map[string]string{"prepay_id": t.PrepayID}
}
