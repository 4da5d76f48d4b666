package wechatsim

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Notification is a callback to be sealed: a faithful one, or one that is broken in a chosen way.
type Notification struct {
	ID           string // default: random
	CreateTime   time.Time
	EventType    string // "TRANSACTION.SUCCESS", "REFUND.SUCCESS", …
	Summary      string
	ResourceType string // default "encrypt-resource"

	// Plaintext is sealed as it stands; nil seals the JSON literal null. See Sealer.Transaction and RefundNotice for
	// faithful ones.
	Plaintext      []byte
	OriginalType   string // default "transaction", or "refund" for REFUND.*
	AssociatedData string // default as OriginalType
	Algorithm      string // default "AEAD_AES_256_GCM"

	// Nonce of the sealing, default 12 random characters. Of another length, the sealing is still genuine (GCM of that
	// nonce size), and "-" stands for an empty one over a ciphertext of zeros.
	Nonce string

	OmitResource bool // no resource member
	NullResource bool // "resource": null
}

// Sealer seals and signs as the platform does. It is safe for concurrent use.
type Sealer struct{ ring *ring }

// NewSealer makes a Sealer without a simulator, for tests of callbacks.
func NewSealer(k Keys) (*Sealer, error) {
	r, err := k.parse()
	if err != nil {
		return nil, err
	}
	return &Sealer{r}, nil
}

type envelope struct {
	ID           string          `json:"id"`
	CreateTime   string          `json:"create_time"`
	ResourceType string          `json:"resource_type"`
	EventType    string          `json:"event_type"`
	Summary      string          `json:"summary"`
	Resource     json.RawMessage `json:"resource,omitempty"`
}

type resource struct {
	OriginalType   string `json:"original_type"`
	Algorithm      string `json:"algorithm"`
	Ciphertext     string `json:"ciphertext"`
	AssociatedData string `json:"associated_data"`
	Nonce          string `json:"nonce"`
}

// Seal returns the body of a notification.
func (z *Sealer) Seal(n Notification) ([]byte, error) {
	kind := "transaction"
	if len(n.EventType) > 7 && n.EventType[:7] == "REFUND." {
		kind = "refund"
	}
	env := envelope{
		ID:           or(n.ID, randomHex(16)),
		CreateTime:   rfc3339(n.CreateTime),
		ResourceType: or(n.ResourceType, "encrypt-resource"),
		EventType:    n.EventType,
		Summary:      n.Summary,
	}
	switch {
	case n.OmitResource:
	case n.NullResource:
		env.Resource = json.RawMessage("null")
	default:
		plain := n.Plaintext
		if plain == nil {
			plain = []byte("null")
		}
		res := resource{
			OriginalType: or(n.OriginalType, kind), Algorithm: or(n.Algorithm, "AEAD_AES_256_GCM"),
			AssociatedData: or(n.AssociatedData, or(n.OriginalType, kind)), Nonce: or(n.Nonce, randomHex(6)),
		}
		if res.Nonce == "-" {
			res.Nonce = ""
			res.Ciphertext = base64.StdEncoding.EncodeToString(make([]byte, len(plain)+16))
		} else {
			sealed, err := seal(z.ring.apiV3, res.Nonce, res.AssociatedData, plain)
			if err != nil {
				return nil, err
			}
			res.Ciphertext = sealed
		}
		raw, err := json.Marshal(res)
		if err != nil {
			return nil, fmt.Errorf("wechatsim: encode resource: %w", err)
		}
		env.Resource = raw
	}
	body, err := json.Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("wechatsim: encode notification: %w", err)
	}
	return body, nil
}

// Header returns the Wechatpay-* headers for body, signed at the given time with the platform certificate's key
// (ModeCertificate) or else the WeChat Pay public key's.
func (z *Sealer) Header(body []byte, at time.Time, with Mode, how Sign) http.Header {
	key := z.ring.publicKey
	if with == ModeCertificate {
		key = z.ring.certificate
	}
	return signHeader(key, body, at, how)
}

// Request seals n and returns it as the POST that WeChat would send to url.
func (z *Sealer) Request(url string, n Notification, at time.Time, with Mode, how Sign) (*http.Request, error) {
	if n.CreateTime.IsZero() {
		n.CreateTime = at
	}
	body, err := z.Seal(n)
	if err != nil {
		return nil, err
	}
	return notifyRequest(url, body, z.Header(body, at, with, how))
}

func notifyRequest(url string, body []byte, h http.Header) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("wechatsim: notify url: %w", err)
	}
	r.Header = h.Clone()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "*/*")
	r.Header.Set("User-Agent", "Mozilla/4.0")
	return r, nil
}

func signHeader(key signer, body []byte, at time.Time, how Sign) http.Header {
	h := http.Header{}
	if how == SignNone {
		return h
	}
	if how == SignStale {
		at = at.Add(-10 * time.Minute)
	}
	stamp, nonce := strconv.FormatInt(at.Unix(), 10), randomHex(16)
	signed := body
	if how == SignTampered {
		signed = append(bytes.Clone(body), ' ')
	}
	signature := sign(key.key, stamp+"\n"+nonce+"\n"+string(signed)+"\n")
	if how == SignProbe {
		signature = "WECHATPAY/SIGNTEST/" + signature
	}
	serial := key.serial
	if how == SignWrongSerial {
		serial = "7777777777777777777777777777777777777777"
	}
	h.Set("Wechatpay-Timestamp", stamp)
	h.Set("Wechatpay-Nonce", nonce)
	h.Set("Wechatpay-Signature", signature)
	h.Set("Wechatpay-Serial", serial)
	h.Set("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048")
	return h
}

func sign(key *rsa.PrivateKey, message string) string {
	sum := sha256.Sum256([]byte(message))
	// PKCS #1 v1.5 with a key of 2048 bits and a fixed hash cannot fail.
	signature, _ := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	return base64.StdEncoding.EncodeToString(signature)
}

func seal(key []byte, nonce, associated string, plain []byte) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", fmt.Errorf("wechatsim: seal: %w", err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(nonce))
	if err != nil {
		return "", fmt.Errorf("wechatsim: seal: %w", err)
	}
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), plain, []byte(associated))), nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, by its documentation
	return hex.EncodeToString(b)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// beijing is the zone of WeChat's timestamps and bill days; it has no summer time.
func beijing() *time.Location { return time.FixedZone("", 8*60*60) }

func rfc3339(t time.Time) string { return t.In(beijing()).Format(time.RFC3339) }
