package wechat

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// skew is how far our clock is from WeChat's.
type skew struct{ ahead atomic.Int64 } // nanoseconds

// measure compares an answer's stamp with the time during which it was made. Stamps count whole seconds, so what is kept
// is the least distance that explains them: 0 for clocks that agree within a second.
//
// The stamp is Wechatpay-Timestamp, or Date: the answer to a call that WeChat refuses because of our clock is unsigned.
// The figure is for watching, nothing is decided by it, hence it is taken before the signature is judged.
func (s *skew) measure(h http.Header, sent, received time.Time) {
	stamp, err := http.ParseTime(h.Get("Date"))
	if seconds, parseErr := strconv.ParseInt(h.Get(consts.WechatPayTimestamp), 10, 64); parseErr == nil {
		stamp, err = time.Unix(seconds, 0), nil
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
