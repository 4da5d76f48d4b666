package wechat

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Mode says which keys of WeChat the channel verifies with. It is one word in configuration files, hence a string.
type Mode string

const (
	// ModePublicKey verifies with the WeChat Pay public key. New merchants have nothing else.
	ModePublicKey Mode = "public_key"
	// ModeCertificate verifies with downloaded platform certificates: merchants from before October 2024.
	ModeCertificate Mode = "certificate"
	// ModeBoth is for the change-over: API answers are asked for under the public key, callbacks are taken under either.
	ModeBoth Mode = "both"
)

const (
	defaultTimeout = 5 * time.Second
	publicKeyStart = "PUB_KEY_ID_"
	minKeyBits     = 2048
)

// Options tell New who the merchant is and how WeChat is reached. Printing Options shows no key.
type Options struct {
	MchID  string   // merchant number
	AppIDs []string // the appids that belong to it: prepays and callbacks of others are refused

	MerchantSerial string          // serial number of the merchant's API certificate
	MerchantKey    *rsa.PrivateKey // the key of that certificate, or
	MerchantKeyPEM []byte          // the same as apiclient_key.pem (PKCS#8 or PKCS#1)
	APIv3Key       string          // 32 bytes; opens callbacks and platform certificates

	Mode         Mode           // default: ModePublicKey when PublicKeyID is set, else ModeCertificate
	PublicKeyID  string         // PUB_KEY_ID_…
	PublicKey    *rsa.PublicKey // the WeChat Pay public key, or
	PublicKeyPEM []byte         // the same as pub_key.pem (PKIX)

	NotifyURL       string // where payment callbacks come in: at most 255 characters, without a query
	RefundNotifyURL string // where refund callbacks come in; empty: WeChat uses what the merchant console says

	// BaseURL (api_base_url) replaces scheme and host of WeChat's API, and precedes its paths: a reverse proxy, or a
	// simulator. Empty: https://api.mch.weixin.qq.com.
	BaseURL string
	// HTTP sends the requests; default: a transport of its own, over HTTP/1.1 and Proxy. It must not follow redirects or
	// repeat requests.
	HTTP http.RoundTripper
	// Proxy picks the forward proxy of a request, none where it returns nil; default: that of the environment.
	Proxy   func(*http.Request) (*url.URL, error)
	Timeout time.Duration // of one call, connecting and reading included; default 5 s

	// BillDir is where a trade bill is kept while it is read; default: the system's folder for temporary files.
	BillDir string

	// Now judges the age of answers, callbacks and certificates; default time.Now. The SDK stamps requests with time.Now.
	Now    func() time.Time
	Logger *slog.Logger // default: discarded
}

// OptionError names an option that New cannot work with. It never holds the value of a key.
type OptionError struct{ Option, Reason string }

func (e *OptionError) Error() string { return e.Option + ": " + e.Reason }

// String hides the keys from logs.
func (o Options) String() string { return "wechat.Options(" + o.MchID + ")" }

// GoString hides the keys from logs.
func (o Options) GoString() string { return o.String() }

// LogValue hides the keys from logs.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

var (
	digitsOnly = regexp.MustCompile(`^[0-9]{1,32}$`)
	appIDForm  = regexp.MustCompile(`^[0-9A-Za-z_-]{1,32}$`)
	serialForm = regexp.MustCompile(`^[0-9A-Za-z_]{1,128}$`)
)

// complete fills in the defaults, parses keys and checks everything; the error joins all *OptionErrors.
func (o Options) complete() (Options, error) {
	var errs []error
	bad := func(option, format string, args ...any) {
		errs = append(errs, &OptionError{option, fmt.Sprintf(format, args...)})
	}
	if !digitsOnly.MatchString(o.MchID) {
		bad("MchID", "must be 1 to 32 digits")
	}
	if len(o.AppIDs) == 0 {
		bad("AppIDs", "at least one is needed")
	}
	for _, id := range o.AppIDs {
		if !appIDForm.MatchString(id) {
			bad("AppIDs", "%q is no appid", id)
		}
	}
	if !serialForm.MatchString(o.MerchantSerial) {
		bad("MerchantSerial", "must be the serial number of the merchant certificate, in hex")
	}
	if len(o.APIv3Key) != 32 {
		bad("APIv3Key", "must have 32 bytes, has %d", len(o.APIv3Key))
	}
	var err error
	if o.MerchantKey == nil {
		if o.MerchantKey, err = parsePrivateKey(o.MerchantKeyPEM); err != nil {
			bad("MerchantKey", "%v", err)
		}
	}
	if o.MerchantKey != nil && o.MerchantKey.N.BitLen() < minKeyBits {
		bad("MerchantKey", "has %d bits, needs %d", o.MerchantKey.N.BitLen(), minKeyBits)
	}
	o, err = o.completeMode()
	errs = append(errs, err)
	if reason := checkNotifyURL(o.NotifyURL); reason != "" {
		bad("NotifyURL", "%s", reason)
	}
	if o.RefundNotifyURL != "" {
		if reason := checkNotifyURL(o.RefundNotifyURL); reason != "" {
			bad("RefundNotifyURL", "%s", reason)
		}
	}
	if _, err := o.base(); err != nil {
		bad("BaseURL", "%v", err)
	}
	if o.Timeout < 0 {
		bad("Timeout", "is negative")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(errs...)
}

func (o Options) completeMode() (Options, error) {
	if o.Mode == "" {
		o.Mode = ModeCertificate
		if o.PublicKeyID != "" {
			o.Mode = ModePublicKey
		}
	}
	switch o.Mode {
	case ModeCertificate:
		return o, nil
	case ModePublicKey, ModeBoth:
	default:
		return o, &OptionError{"Mode", fmt.Sprintf("%q is none of %s, %s, %s", o.Mode, ModePublicKey, ModeCertificate, ModeBoth)}
	}
	var errs []error
	if !strings.HasPrefix(o.PublicKeyID, publicKeyStart) || !serialForm.MatchString(o.PublicKeyID) {
		errs = append(errs, &OptionError{"PublicKeyID", "must begin with " + publicKeyStart})
	}
	if o.PublicKey == nil {
		var err error
		if o.PublicKey, err = parsePublicKey(o.PublicKeyPEM); err != nil {
			errs = append(errs, &OptionError{"PublicKey", err.Error()})
		}
	}
	return o, errors.Join(errs...)
}

// base returns BaseURL parsed, nil for WeChat itself.
func (o Options) base() (*url.URL, error) {
	if o.BaseURL == "" {
		return nil, nil
	}
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		return nil, errors.New("is no URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, errors.New("must begin with https:// or http:// and name a host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must have no user, query or fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// checkNotifyURL returns what WeChat would not take about a callback address, "" when it is fine.
func checkNotifyURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "is needed, also where callbacks cannot come in"
	case len(text) > 255:
		return "is longer than 255 characters"
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return "must begin with https:// (http:// on a private line) and name a host"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil:
		return "must have no query, fragment or user"
	}
	return ""
}
