package wechat

import (
	"net/http"
	"strconv"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"

	"github.com/hisgate/hisgate/internal/skew"
)

// maxSkew is where a wrong clock turns from a nuisance into an outage: WeChat refuses requests stamped five minutes off,
// and we refuse its answers and callbacks.
const maxSkew = 240 * time.Second

// measureSkew compares an answer's stamp with the time during which the answer was made.
//
// A verified answer is stamped by its signature. Of any other one only Date is taken: the answers to calls that WeChat
// refuses because of our clock are unsigned. Nothing is decided by the figure.
func measureSkew(m *skew.Meter, h http.Header, verified bool, sent, received time.Time) {
	if !verified {
		m.NoteDate(h, sent, received)
		return
	}
	if seconds, err := strconv.ParseInt(h.Get(consts.WechatPayTimestamp), 10, 64); err == nil {
		m.Note(skew.Of(time.Unix(seconds, 0), sent, received))
	}
}
