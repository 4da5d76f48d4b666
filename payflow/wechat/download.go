package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
)

// downloadWith returns a function that fetches the platform certificates once, through rt.
//
// It is the SDK's downloader, but not its manager, whose goroutine swallows errors, waits a day after each, races with
// other downloads and dies of a panic; and not WithWechatPayAutoAuthCipher, whose client is private and shared by the
// whole process. Each time is a first time: a downloader that verified new certificates with its old ones would be stuck
// when those have run out. The certificates are genuine all the same, sealed with the APIv3 key.
func downloadWith(signer auth.Signer, apiV3Key string, rt http.RoundTripper, timeout time.Duration) func(context.Context) (core.CertificateGetter, error) {
	return func(ctx context.Context) (core.CertificateGetter, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		guard := &certificateGuard{next: rt}
		client, err := core.NewClientWithDialSettings(ctx, &core.DialSettings{
			HTTPClient: newHTTPClient(guard), Signer: signer, Validator: &validators.NullValidator{},
		})
		if err != nil {
			return nil, errors.New("the SDK does not take the settings")
		}
		got, err := downloader.NewCertificateDownloaderWithClient(ctx, client, apiV3Key)
		if err != nil {
			return nil, guard.explain(err)
		}
		return got, nil
	}
}

// certificateGuard lets only answers through that the SDK's downloader, which follows every pointer, survives. It
// remembers how far the answer came, to explain an error in words that hold no header and no body.
type certificateGuard struct {
	next     http.RoundTripper
	status   int // 0: no answer
	code     string
	wellMade bool
}

var errMisshapen = errors.New("the answer is not a list of certificates")

// RoundTrip implements http.RoundTripper.
func (g *certificateGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	g.status = resp.StatusCode
	body, err := bodyOf(resp)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		g.code = parseErrorBody(body).code
		return resp, nil
	}
	var list struct {
		Data []struct {
			SerialNo  *string `json:"serial_no"`
			Encrypted *struct {
				AssociatedData *string `json:"associated_data"`
				Nonce          *string `json:"nonce"`
				Ciphertext     *string `json:"ciphertext"`
			} `json:"encrypt_certificate"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &list) != nil {
		return nil, errMisshapen
	}
	for _, c := range list.Data {
		e := c.Encrypted
		if c.SerialNo == nil || e == nil || e.AssociatedData == nil || e.Nonce == nil || len(*e.Nonce) != gcmNonceSize || e.Ciphertext == nil {
			return nil, errMisshapen
		}
	}
	g.wellMade = true
	return resp, nil
}

func (g *certificateGuard) explain(err error) error {
	switch {
	case g.status == 0:
		return fmt.Errorf("WeChat cannot be reached: %w", networkCause(err))
	case g.status == http.StatusNotFound && g.code != "":
		return errNoCertificates
	case g.status == http.StatusUnauthorized:
		return fmt.Errorf("WeChat does not accept our signature (401 %s): check MchID, MerchantSerial, MerchantKey and the clock", g.code)
	case g.wellMade:
		return errors.New("the certificates cannot be opened: check APIv3Key")
	case g.status != http.StatusOK:
		return fmt.Errorf("WeChat answered %d %s", g.status, g.code)
	}
	return networkCause(err)
}

// bodyOf returns the body of an answer that transport has bounded, and leaves it to be read again.
func bodyOf(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}
