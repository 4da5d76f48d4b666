package wechat_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hisgate/hisgate/payflow/wechat"
)

// A forward proxy that does not let us through has sent nothing on: the call may
// be made again, and is not unknown.
func TestARefusalOfTheProxyIsNotSent(t *testing.T) {
	for _, status := range []int{http.StatusProxyAuthRequired, http.StatusForbidden, http.StatusBadGateway} {
		var asked atomic.Pointer[http.Request]
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Store(r)
			w.WriteHeader(status)
		}))
		c := open(t, nil, func(o *wechat.Options) {
			u := must(url.Parse(proxy.URL))(t)
			u.User = url.UserPassword("hisgate", "s3cr3t-of-the-proxy")
			o.Proxy = http.ProxyURL(u)
		})
		for name, call := range calls {
			e := channelError(t, call(c, "RX20261122001"), notSent)
			if !strings.Contains(e.Error(), "the forward proxy answers") || strings.Contains(e.Error(), "s3cr3t") {
				t.Errorf("%d, %s: %v", status, name, e)
			}
		}
		if r := asked.Load(); r == nil || r.Method != http.MethodConnect || r.Host != "api.mch.weixin.qq.com:443" || r.Header.Get("Proxy-Authorization") == "" {
			t.Errorf("%d: the proxy was asked %+v", status, r)
		}
		if err := c.Health(); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("health: %v", err)
		}
		proxy.Close()
	}
}
