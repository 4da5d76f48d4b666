package wechat

import (
	"context"
	"errors"
	"strings"

	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
)

// keyring holds what WeChat's signatures are verified with: a public key, platform certificates, or both.
//
// It does the work of the SDK's combined verifier, and says which key is missing where that one says only "no".
type keyring struct {
	publicKeyID string        // "" without a public key
	publicKey   auth.Verifier // nil without a public key
	certs       *certificates // nil in ModePublicKey
	certKey     auth.Verifier
}

func newKeyring(o Options, certs *certificates) *keyring {
	k := &keyring{certs: certs}
	if o.Mode != ModeCertificate {
		k.publicKeyID = o.PublicKeyID
		k.publicKey = verifiers.NewSHA256WithRSAPubkeyVerifier(o.PublicKeyID, *o.PublicKey)
	}
	if certs != nil {
		k.certKey = verifiers.NewSHA256WithRSAVerifier(certs)
	}
	return k
}

// verify checks one signature under the key that serial names. Errors: *signatureError.
func (k *keyring) verify(ctx context.Context, serial, text, signature string) error {
	var key auth.Verifier
	switch {
	case k.publicKey != nil && serial == k.publicKeyID:
		key = k.publicKey
	case strings.HasPrefix(serial, publicKeyStart):
		return &signatureError{faultNoKey, serial + " is not the configured public key"}
	case k.certs == nil:
		return &signatureError{faultNoKey, "signed with platform certificate " + serial + ", but only the public key is configured (mode " + string(ModeBoth) + " takes either)"}
	case !k.certs.has(ctx, serial):
		k.certs.want()
		return &signatureError{faultNoKey, "platform certificate " + serial + " is not here, or not valid now"}
	default:
		key = k.certKey
	}
	if key.Verify(ctx, serial, text, signature) != nil {
		return &signatureError{fault: faultWrong}
	}
	return nil
}

// acceptSerial names the key that answers are wanted under: the public key where there is one.
func (k *keyring) acceptSerial() string {
	if k.publicKey != nil {
		return k.publicKeyID
	}
	return k.certs.GetNewestSerial(context.Background())
}

// ready waits until an answer could be verified: at once with a public key, otherwise until the download under way has
// ended. It returns why nothing could be verified.
func (k *keyring) ready(ctx context.Context) error {
	if k.publicKey != nil {
		return nil
	}
	return k.certs.ready(ctx)
}

// health reports keys that are missing. A merchant with a public key and without certificates is a new one, not a sick one.
func (k *keyring) health() error {
	if k.certs == nil {
		return nil
	}
	err := k.certs.health()
	if k.publicKey != nil && errors.Is(err, errNoCertificates) {
		return nil
	}
	return err
}
