package wechat

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// maxSkew is where a wrong clock turns from a nuisance into an outage: WeChat refuses requests stamped five minutes off,
// and we refuse its answers and callbacks.
const maxSkew = 240 * time.Second

// skew is how far our clock is ahead of WeChat's.
type skew struct{ ahead atomic.Int64 } // nanoseconds

// measure compares an answer's stamp with the time during which the answer was made. Stamps count whole seconds, so what
// is kept is the least distance that explains them: 0 for clocks that agree within a second.
//
// A verified answer is stamped by its signature. Of any other one only Date is taken: the answers to calls that WeChat
// refuses because of our clock are unsigned. Nothing is decided by the figure.
func (s *skew) measure(h http.Header, verified bool, sent, received time.Time) {
	stamp, err := http.ParseTime(h.Get("Date"))
	if verified {
		var seconds int64
		seconds, err = strconv.ParseInt(h.Get(consts.WechatPayTimestamp), 10, 64)
		stamp = time.Unix(seconds, 0)
	}
	if err != nil {
		return
	}
	switch latest := stamp.Add(time.Second); {
	case sent.After(latest):
		s.ahead.Store(int64(sent.Sub(latest)))
	case received.Before(stamp):
		s.ahead.Store(-int64(stamp.Sub(received)))
	default:
		s.ahead.Store(0)
	}
}

func (s *skew) get() time.Duration { return time.Duration(s.ahead.Load()) }
