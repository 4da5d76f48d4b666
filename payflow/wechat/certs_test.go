package wechat_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

var unreachable = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.mch.weixin.qq.com"}}

// gate is a way to WeChat that can be shut.
type gate struct {
	next http.RoundTripper
	shut atomic.Bool
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.shut.Load() {
		return nil, unreachable
	}
	return g.next.RoundTrip(r)
}

func TestCertificateModeVerifiesWithDownloadedCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, simMode(wechatsim.ModeCertificate))
		sent := &record{next: sim.RoundTripper()}
		c := open(t, sent, mode(wechat.ModeCertificate))
		prepay(t, c, "RX20261122001") // waits for the first download
		if err := c.Close(t.Context(), "RX20261122001"); err != nil {
			t.Fatal(err)
		}
		if err := c.Health(); err != nil {
			t.Fatal(err)
		}
		all := sent.all()
		if got := all[len(all)-1].header.Get("Wechatpay-Serial"); got != keys(t).PlatformSerial {
			t.Fatalf("the answer is asked for under %q", got)
		}
		if err := sim.Inject(wechatsim.Fault{Op: wechatsim.OpQuery, Sign: wechatsim.SignTampered}); err != nil {
			t.Fatal(err)
		}
		_, err := c.Query(t.Context(), "RX20261122001")
		channelError(t, err, unknown)
	})
}

// A start never fails because WeChat cannot be reached. Until the certificates are there, nothing is sent, and callbacks
// are put off, so that WeChat repeats them.
func TestOpensWhileWeChatIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, simMode(wechatsim.ModeCertificate))
		way := &gate{next: sim.RoundTripper()}
		way.shut.Store(true)
		c := open(t, way, mode(wechat.ModeCertificate))
		for name, call := range calls {
			if e := channelError(t, call(c, "RX20261122001"), notSent); e.Status != 0 {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if err := c.Health(); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("health: %v", err)
		}
		paid := payment(t, "RX20261122001")
		_, err := c.ParsePayment(t.Context(), seal(t, paid, wechatsim.ModeCertificate))
		callbackError(t, err, "KEYS_UNAVAILABLE")

		time.Sleep(time.Hour) // of a bubble: attempts become rare meanwhile
		way.shut.Store(false)
		_, err = c.ParsePayment(t.Context(), seal(t, paid, wechatsim.ModeCertificate))
		callbackError(t, err, "KEYS_UNAVAILABLE") // but asks for a download
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if _, err := c.ParsePayment(t.Context(), seal(t, paid, wechatsim.ModeCertificate)); err != nil {
			t.Errorf("after the download: %v", err)
		}
		if err := calls["prepay"](c, "RX20261122001"); err != nil {
			t.Errorf("after the download: %v", err)
		}
		if err := c.Health(); err != nil {
			t.Errorf("health: %v", err)
		}
	})
}

func TestFirstDownloadIsRepeatedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var tries []time.Duration
		c := open(t, roundTrip(func(*http.Request) (*http.Response, error) {
			tries = append(tries, time.Since(begun))
			return nil, unreachable
		}), mode(wechat.ModeCertificate))
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		for i, want := range []time.Duration{0, 1, 3, 8, 23, 83, 383, 683, 983} {
			if i >= len(tries) || tries[i] != want*time.Second {
				t.Fatalf("attempts after %v, want the %dth after %d s", tries, i, want)
			}
		}
		if c.Health() == nil {
			t.Error("health is good")
		}
	})
}

// A new merchant has no platform certificates: 404, with words that say what to do (design §7).
func TestMerchantWithoutCertificatesIsToldToUseThePublicKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, simMode(wechatsim.ModePublicKey))
		c := open(t, sim.RoundTripper(), mode(wechat.ModeCertificate))
		err := channelError(t, c.Ping(t.Context()), notSent)
		for _, said := range []error{err, c.Health()} {
			if said == nil || !strings.Contains(said.Error(), "404") || !strings.Contains(said.Error(), "public_key") {
				t.Errorf("said: %v", said)
			}
		}
		both := open(t, sim.RoundTripper(), mode(wechat.ModeBoth))
		synctest.Wait()
		if err := both.Ping(t.Context()); err != nil {
			t.Errorf("with both: %v", err)
		}
		if err := both.Health(); err != nil {
			t.Errorf("with both: %v", err)
		}
	})
}

func TestDownloadErrorsSayWhatToCheck(t *testing.T) {
	k := must(others())(t)
	for name, x := range map[string]struct {
		change func(*wechat.Options)
		fault  wechatsim.Fault
		want   string
	}{
		"APIv3 key":    {change: func(o *wechat.Options) { o.APIv3Key = k.APIv3Key }, want: "check APIv3Key"},
		"merchant key": {change: func(o *wechat.Options) { o.MerchantKeyPEM = []byte(k.MerchantPrivateKey) }, want: "401 SIGNERROR"},
		"busy":         {fault: wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 429, Times: -1}, want: "429 FREQUENCYLIMITED"},
		"html":         {fault: wechatsim.Fault{Kind: wechatsim.KindStatus, Status: 200, Code: "-", Times: -1}, want: "not a list of certificates"},
		"silence":      {fault: wechatsim.Fault{Kind: wechatsim.KindHangBefore, Times: -1}, want: "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSim(t, simMode(wechatsim.ModeCertificate))
				x.fault.Op = wechatsim.OpCertificates
				if err := sim.Inject(x.fault); err != nil {
					t.Fatal(err)
				}
				var book logBook
				c := open(t, sim.RoundTripper(), mode(wechat.ModeCertificate), func(o *wechat.Options) {
					o.Logger = book.logger()
					if x.change != nil {
						x.change(o)
					}
				})
				_ = c.Ping(t.Context())
				time.Sleep(6 * time.Second)
				if err := c.Health(); err == nil || !strings.Contains(err.Error(), x.want) {
					t.Errorf("health: %v", err)
				}
				if !strings.Contains(book.String(), x.want) || strings.Contains(book.String(), "Authorization") {
					t.Errorf("log: %s", book.String())
				}
			})
		})
	}
}

// The SDK's downloader follows every pointer of the answer: a member that is missing, or a nonce of another length, would
// end the process.
func TestMisshapenCertificateListsDoNotPanic(t *testing.T) {
	whole := map[string]any{"serial_no": "1", "encrypt_certificate": map[string]any{
		"algorithm": "AEAD_AES_256_GCM", "associated_data": "certificate", "nonce": "012345678901", "ciphertext": "AAAA",
	}}
	lists := []string{`null`, `{}`, `{"data":null}`, `{"data":[]}`, `{"data":[null]}`, `{"data":[{}]}`, `[]`, ``, `{"data":[{"serial_no":"1"}]}`}
	for _, nonce := range []any{"", "short", "longer than twelve", nil, 7} {
		e := whole["encrypt_certificate"].(map[string]any)
		was := e["nonce"]
		e["nonce"] = nonce
		lists = append(lists, string(must(json.Marshal(map[string]any{"data": []any{whole}}))(t)))
		e["nonce"] = was
	}
	for _, member := range []string{"associated_data", "ciphertext"} {
		e := whole["encrypt_certificate"].(map[string]any)
		was := e[member]
		delete(e, member)
		lists = append(lists, string(must(json.Marshal(map[string]any{"data": []any{whole}}))(t)))
		e[member] = was
	}
	for _, list := range lists {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, says(t, 200, list, wechatsim.SignGood), mode(wechat.ModeCertificate))
			channelError(t, c.Ping(t.Context()), notSent)
			if c.Health() == nil {
				t.Errorf("%s: health is good", list)
			}
		})
	}
}

// certList is the answer of /v3/certificates with one certificate.
func certList(t *testing.T, serial, certPEM string) []byte {
	t.Helper()
	sealer := must(wechatsim.NewSealer(keys(t)))(t)
	body := must(sealer.Seal(wechatsim.Notification{Plaintext: []byte(certPEM), AssociatedData: "certificate"}))(t)
	var sealed struct {
		Resource json.RawMessage `json:"resource"`
	}
	if err := json.Unmarshal(body, &sealed); err != nil {
		t.Fatal(err)
	}
	return must(json.Marshal(map[string]any{"data": []any{map[string]any{
		"serial_no": serial, "effective_time": "2000-01-01T00:00:00+08:00", "expire_time": "2005-01-01T00:00:00+08:00",
		"encrypt_certificate": sealed.Resource,
	}}}))(t)
}

// serves is WeChat with another list of certificates.
func serves(sim *wechatsim.Sim, list func() []byte) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/v3/certificates" {
			return sim.RoundTripper().RoundTrip(r)
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(list())), Request: r}, nil
	})
}

// The SDK's verifier takes a certificate that has run out, and panics on one that is not RSA.
func TestCertificatesMustBeRSAAndValidNow(t *testing.T) {
	elliptic := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "odd"},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, elliptic.Public(), elliptic))(t)
	odd := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for name, x := range map[string]struct {
		cert string
		now  func() time.Time
	}{
		"not RSA":  {odd, time.Now},
		"over":     {keys(t).PlatformCertificate, func() time.Time { return time.Date(2099, 1, 2, 0, 0, 0, 0, time.UTC) }},
		"not yet":  {keys(t).PlatformCertificate, func() time.Time { return time.Date(1998, 1, 2, 0, 0, 0, 0, time.UTC) }},
		"for real": {keys(t).PlatformCertificate, time.Now},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSim(t, simMode(wechatsim.ModeCertificate))
				serial := keys(t).PlatformSerial
				c := open(t, serves(sim, func() []byte { return certList(t, serial, x.cert) }), mode(wechat.ModeCertificate),
					func(o *wechat.Options) { o.Now = x.now })
				synctest.Wait()
				cb := seal(t, payment(t, "RX20261122001"), wechatsim.ModeCertificate)
				cb.ReceivedAt = time.Now()
				_, err := c.ParsePayment(t.Context(), cb)
				if name == "for real" {
					if err != nil || c.Health() != nil {
						t.Fatalf("%v, health %v", err, c.Health())
					}
					return
				}
				callbackError(t, err, "KEYS_UNAVAILABLE")
				if err := c.Health(); err == nil || !strings.Contains(err.Error(), "expired") {
					t.Errorf("health: %v", err)
				}
			})
		})
	}
}
