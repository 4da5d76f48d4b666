package wechatsim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Keys is the key material of both sides of one merchant account. What the merchant is given at WeChat is
// MerchantPrivateKey, MerchantSerial, APIv3Key, and PublicKey with PublicKeyID (public-key mode) or nothing more
// (certificate mode downloads the platform certificate). The rest belongs to the simulator.
//
// All keys and certificates are PEM. Printing a Keys shows no key.
type Keys struct {
	MerchantPrivateKey  string `json:"merchant_private_key"` // PKCS#8, the merchant's apiclient_key.pem
	MerchantCertificate string `json:"merchant_certificate"` // apiclient_cert.pem
	MerchantSerial      string `json:"merchant_serial"`      // serial number of that certificate, upper-case hex
	APIv3Key            string `json:"apiv3_key"`            // 32 bytes

	PlatformCertificate string `json:"platform_certificate"` // what /v3/certificates hands out
	PlatformSerial      string `json:"platform_serial"`
	PlatformPrivateKey  string `json:"platform_private_key"` // the simulator's own

	PublicKey           string `json:"public_key"`             // WeChat Pay public key, PKIX
	PublicKeyID         string `json:"public_key_id"`          // PUB_KEY_ID_…
	PublicKeyPrivateKey string `json:"public_key_private_key"` // the simulator's own
}

// String hides the keys from logs.
func (k Keys) String() string { return "wechatsim.Keys(" + k.MerchantSerial + ")" }

// GoString hides the keys from logs.
func (k Keys) GoString() string { return k.String() }

// GenerateKeys makes fresh key material: three 2048-bit RSA keys, two self-signed certificates and an APIv3 key. It takes
// a fraction of a second up to a few seconds of computing. The certificates are valid from 1999 to 2099, so that they
// also hold under the clock of testing/synctest.
func GenerateKeys() (Keys, error) {
	type made struct {
		key *rsa.PrivateKey
		err error
	}
	var private [3]*rsa.PrivateKey
	results := make([]chan made, len(private))
	for i := range results {
		results[i] = make(chan made, 1)
		go func() {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			results[i] <- made{key, err}
		}()
	}
	var errs []error
	for i, c := range results {
		r := <-c
		private[i] = r.key
		errs = append(errs, r.err)
	}
	if err := errors.Join(errs...); err != nil {
		return Keys{}, fmt.Errorf("wechatsim: generate keys: %w", err)
	}

	var k Keys
	var err error
	if k.MerchantCertificate, k.MerchantSerial, err = selfSigned(private[0], "hisgate simulated merchant"); err != nil {
		return Keys{}, err
	}
	if k.PlatformCertificate, k.PlatformSerial, err = selfSigned(private[1], "Tenpay.com simulated"); err != nil {
		return Keys{}, err
	}
	for i, into := range []*string{&k.MerchantPrivateKey, &k.PlatformPrivateKey, &k.PublicKeyPrivateKey} {
		der, err := x509.MarshalPKCS8PrivateKey(private[i])
		if err != nil {
			return Keys{}, fmt.Errorf("wechatsim: encode private key: %w", err)
		}
		*into = pemText("PRIVATE KEY", der)
	}
	der, err := x509.MarshalPKIXPublicKey(private[2].Public())
	if err != nil {
		return Keys{}, fmt.Errorf("wechatsim: encode public key: %w", err)
	}
	k.PublicKey = pemText("PUBLIC KEY", der)
	sum := sha256.Sum256(der)
	k.PublicKeyID = "PUB_KEY_ID_01" + digits(sum[:], 32)
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return Keys{}, fmt.Errorf("wechatsim: generate APIv3 key: %w", err)
	}
	k.APIv3Key = hex.EncodeToString(secret)
	return k, nil
}

func selfSigned(key *rsa.PrivateKey, name string) (certPEM, serial string, err error) {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
	if err != nil {
		return "", "", fmt.Errorf("wechatsim: certificate serial: %w", err)
	}
	number.SetBit(number, 158, 1) // always 40 hex digits, as WeChat's are
	template := &x509.Certificate{
		SerialNumber: number,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", "", fmt.Errorf("wechatsim: certificate: %w", err)
	}
	return pemText("CERTIFICATE", der), serialOf(number), nil
}

func serialOf(n *big.Int) string { return strings.ToUpper(fmt.Sprintf("%040x", n)) }

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// digits spells n decimal digits from b.
func digits(b []byte, n int) string {
	s := new(big.Int).SetBytes(b).Text(10)
	for len(s) < n {
		s = "0" + s
	}
	return s[:n]
}

// signer is one of the platform's signing keys.
type signer struct {
	serial string
	key    *rsa.PrivateKey
}

// ring is Keys parsed once.
type ring struct {
	merchant       *rsa.PublicKey
	merchantSerial string
	certificate    signer
	publicKey      signer
	platformCert   string // PEM
	certNotBefore  time.Time
	certNotAfter   time.Time
	apiV3          []byte
}

func (k Keys) parse() (*ring, error) {
	r := &ring{merchantSerial: k.MerchantSerial, platformCert: k.PlatformCertificate, apiV3: []byte(k.APIv3Key)}
	merchant, err := parseCertificate(k.MerchantCertificate)
	if err != nil {
		return nil, fmt.Errorf("wechatsim: merchant certificate: %w", err)
	}
	var ok bool
	if r.merchant, ok = merchant.PublicKey.(*rsa.PublicKey); !ok {
		return nil, errors.New("wechatsim: merchant certificate: not an RSA key")
	}
	if got := serialOf(merchant.SerialNumber); got != k.MerchantSerial {
		return nil, fmt.Errorf("wechatsim: merchant certificate has serial %s, not %s", got, k.MerchantSerial)
	}
	platform, err := parseCertificate(k.PlatformCertificate)
	if err != nil {
		return nil, fmt.Errorf("wechatsim: platform certificate: %w", err)
	}
	r.certNotBefore, r.certNotAfter = platform.NotBefore, platform.NotAfter
	r.certificate.serial, r.publicKey.serial = k.PlatformSerial, k.PublicKeyID
	if r.certificate.key, err = parsePrivateKey(k.PlatformPrivateKey); err != nil {
		return nil, fmt.Errorf("wechatsim: platform private key: %w", err)
	}
	if r.publicKey.key, err = parsePrivateKey(k.PublicKeyPrivateKey); err != nil {
		return nil, fmt.Errorf("wechatsim: private key of the public key: %w", err)
	}
	if len(r.apiV3) != 32 {
		return nil, fmt.Errorf("wechatsim: APIv3 key has %d bytes, not 32", len(r.apiV3))
	}
	if !strings.HasPrefix(k.PublicKeyID, "PUB_KEY_ID_") {
		return nil, fmt.Errorf("wechatsim: public key id %q does not begin with PUB_KEY_ID_", k.PublicKeyID)
	}
	return r, nil
}

func parseCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	return rsaKey, nil
}
