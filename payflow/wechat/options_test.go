package wechat_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/payflow/wechat"
)

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	k := keys(t)
	for option, change := range map[string]func(*wechat.Options){
		"MchID":           func(o *wechat.Options) { o.MchID = `19"00` },
		"AppIDs":          func(o *wechat.Options) { o.AppIDs = nil },
		"MerchantSerial":  func(o *wechat.Options) { o.MerchantSerial = `"` },
		"MerchantKey":     func(o *wechat.Options) { o.MerchantKeyPEM = []byte(k.MerchantCertificate) },
		"APIv3Key":        func(o *wechat.Options) { o.APIv3Key = o.APIv3Key[1:] },
		"Mode":            func(o *wechat.Options) { o.Mode = "certificates" },
		"PublicKeyID":     func(o *wechat.Options) { o.Mode, o.PublicKeyID = wechat.ModePublicKey, k.PlatformSerial },
		"PublicKey":       func(o *wechat.Options) { o.PublicKeyPEM = []byte(k.PlatformCertificate) },
		"NotifyURL":       func(o *wechat.Options) { o.NotifyURL = "https://hospital.example/?a=b" },
		"RefundNotifyURL": func(o *wechat.Options) { o.RefundNotifyURL = "/wechat" },
		"BaseURL":         func(o *wechat.Options) { o.BaseURL = "localhost:8080" },
		"Timeout":         func(o *wechat.Options) { o.Timeout = -1 },
	} {
		o := options(t, nil)
		change(&o)
		_, err := wechat.New(t.Context(), o)
		var e *wechat.OptionError
		if !errors.As(err, &e) || e.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	_, err := wechat.New(t.Context(), wechat.Options{Mode: wechat.ModeBoth})
	for _, option := range []string{"MchID", "AppIDs", "MerchantSerial", "MerchantKey", "APIv3Key", "PublicKeyID", "PublicKey", "NotifyURL"} {
		if err == nil || !strings.Contains(err.Error(), option+": ") {
			t.Errorf("%s is not named: %v", option, err)
		}
	}
}

func TestOptionsTakeNotifyAddressesThatWeChatTakes(t *testing.T) {
	host := "https://hospital.example/"
	for url, fine := range map[string]bool{
		host + strings.Repeat("a", 255-len(host)): true,
		host + strings.Repeat("a", 256-len(host)): false,
		"http://10.0.0.1/wechat":                  true, // a private line
		host + "?":                                false,
		host + "#a":                               false,
		"https://user@hospital.example/":          false,
		"ftp://hospital.example/":                 false,
		"":                                        false,
	} {
		o := options(t, nil)
		o.NotifyURL = url
		if _, err := wechat.New(t.Context(), o); (err == nil) != fine {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestOptionsPrintNoKeys(t *testing.T) {
	var book logBook
	o := options(t, nil)
	book.logger().Info("opened", "options", o)
	for _, text := range []string{o.String(), o.GoString(), book.String()} {
		if strings.Contains(text, o.APIv3Key) || strings.Contains(text, "PRIVATE") || !strings.Contains(text, mchID) {
			t.Error(text)
		}
	}
}

// Public-key mode needs nothing of WeChat to open.
func TestOpeningCallsNobodyInPublicKeyMode(t *testing.T) {
	c := open(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("called %s", r.URL)
		return nil, errors.New("no")
	}))
	if err := c.Health(); err != nil {
		t.Error(err)
	}
}

func TestOptionsTakeKeysInTheFormsTheyComeIn(t *testing.T) {
	k := keys(t)
	block, _ := pem.Decode([]byte(k.MerchantPrivateKey))
	private := must(x509.ParsePKCS8PrivateKey(block.Bytes))(t).(*rsa.PrivateKey)
	odd := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	text := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	for name, x := range map[string]struct {
		fine   bool
		change func(*wechat.Options)
	}{
		"parsed": {true, func(o *wechat.Options) { o.MerchantKeyPEM, o.MerchantKey = nil, private }},
		"PKCS#1": {true, func(o *wechat.Options) {
			o.MerchantKeyPEM = text("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private))
		}},
		"no PEM": {false, func(o *wechat.Options) { o.MerchantKeyPEM = []byte("MIIEvg") }},
		"broken": {false, func(o *wechat.Options) { o.MerchantKeyPEM = text("PRIVATE KEY", []byte("x")) }},
		"not RSA": {false, func(o *wechat.Options) {
			o.MerchantKeyPEM = text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(odd))(t))
		}},
		"parsed public": {true, func(o *wechat.Options) { o.PublicKeyPEM, o.PublicKey = nil, &private.PublicKey }},
		"broken public": {false, func(o *wechat.Options) { o.PublicKeyPEM = text("PUBLIC KEY", []byte("x")) }},
		"not RSA public": {false, func(o *wechat.Options) {
			o.PublicKeyPEM = text("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(odd.Public()))(t))
		}},
		"https":          {true, func(o *wechat.Options) { o.BaseURL = "https://proxy.hospital.example/wechat/" }},
		"user in base":   {false, func(o *wechat.Options) { o.BaseURL = "https://a:b@proxy.hospital.example" }},
		"query in base":  {false, func(o *wechat.Options) { o.BaseURL = "https://proxy.hospital.example/?a" }},
		"broken base":    {false, func(o *wechat.Options) { o.BaseURL = "https://[" }},
		"no public key":  {true, func(o *wechat.Options) { o.PublicKeyID, o.PublicKeyPEM = "", nil }}, // certificates then
		"needs one both": {false, func(o *wechat.Options) { o.Mode, o.PublicKeyPEM = wechat.ModeBoth, nil }},
	} {
		o := options(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, unreachable }))
		x.change(&o)
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := wechat.New(ctx, o); (err == nil) != x.fine {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
