package wechatsim_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// Hand-made callbacks are truly signed and truly sealed, whatever else is wrong with them: only then do they try what
// comes after the signature.
func TestHandMadeCallbacks(t *testing.T) {
	k := keys(t)
	z, err := wechatsim.NewSealer(k)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte(`{"out_trade_no":"ORDER0001"}`)
	for _, tt := range []struct {
		name  string
		n     wechatsim.Notification
		plain string // what opens with the APIv3 key; "": no resource
	}{
		{"faithful", wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", Plaintext: plain}, string(plain)},
		{"null inside", wechatsim.Notification{EventType: "TRANSACTION.SUCCESS"}, "null"},
		{"nonce of 16", wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", Plaintext: plain, Nonce: "0123456789abcdef"}, string(plain)},
		{"refund under a payment's type", wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", OriginalType: "refund", Plaintext: plain}, string(plain)},
		{"no resource", wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", OmitResource: true}, ""},
		{"null resource", wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", NullResource: true}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := z.Request("https://merchant.example/cb", tt.n, time.Now(), wechatsim.ModePublicKey, wechatsim.SignGood)
			if err != nil {
				t.Fatal(err)
			}
			verify(t, k, r)
			var body struct {
				EventType string `json:"event_type"`
				Resource  *struct {
					OriginalType   string `json:"original_type"`
					AssociatedData string `json:"associated_data"`
					Nonce          string `json:"nonce"`
					Ciphertext     string `json:"ciphertext"`
				} `json:"resource"`
			}
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &body); err != nil {
				t.Fatal(err)
			}
			if body.EventType != tt.n.EventType || (body.Resource == nil) != (tt.plain == "") ||
				strings.Contains(string(raw), `"resource":null`) != tt.n.NullResource {
				t.Fatalf("body %s", raw)
			}
			if body.Resource == nil {
				return
			}
			if got := unseal(t, k.APIv3Key, body.Resource.Nonce, body.Resource.AssociatedData, body.Resource.Ciphertext); got != tt.plain {
				t.Errorf("sealed %q, want %q", got, tt.plain)
			}
		})
	}
	body, err := z.Seal(wechatsim.Notification{EventType: "TRANSACTION.SUCCESS", Plaintext: plain, Nonce: "-"})
	if err != nil || !strings.Contains(string(body), `"nonce":""`) {
		t.Errorf("empty nonce: %s, %v", body, err)
	}
}

func verify(t *testing.T, k wechatsim.Keys, r *http.Request) {
	t.Helper()
	public, err := utils.LoadPublicKey(k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	validator := validators.NewWechatPayNotifyValidator(verifiers.NewSHA256WithRSAPubkeyVerifier(k.PublicKeyID, *public))
	if err := validator.Validate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func unseal(t *testing.T, key, nonce, associated, ciphertext string) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(nonce))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, []byte(nonce), raw, []byte(associated))
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// What a test alters and seals by hand begins as what the simulator itself would say.
func TestPayloadsOfTheBooks(t *testing.T) {
	sim := open(t)
	m := newMerchant(t, sim, wechatsim.ModePublicKey)
	m.prepay("ORDER0001")
	if _, err := sim.Pay(t.Context(), "ORDER0001"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.refund("ORDER0001", "R1", 1600); err != nil {
		t.Fatal(err)
	}
	tx, err := sim.Transaction("ORDER0001")
	if err != nil || tx.Amount.Total != 1600 || tx.MchID != mchID || tx.Payer.OpenID != payer {
		t.Errorf("%+v, %v", tx, err)
	}
	rf, err := sim.RefundNotice("R1")
	if err != nil || rf.RefundStatus != wechatsim.RefundProcessing || rf.Amount.Refund != 1600 {
		t.Errorf("%+v, %v", rf, err)
	}
	if _, err := sim.Transaction("UNKNOWN1"); err == nil {
		t.Error("an unknown trade")
	}
	if _, err := sim.RefundNotice("R2"); err == nil {
		t.Error("an unknown refund")
	}
}

func TestKeysAreWhatWeChatGives(t *testing.T) {
	k := keys(t)
	cert, err := utils.LoadCertificate(k.MerchantCertificate)
	if err != nil {
		t.Fatal(err)
	}
	if serial := utils.GetCertificateSerialNumber(*cert); serial != k.MerchantSerial || len(serial) != 40 {
		t.Errorf("serial %q of a certificate with %q", k.MerchantSerial, serial)
	}
	if bits := cert.PublicKey.(*rsa.PublicKey).N.BitLen(); bits != 2048 {
		t.Errorf("%d bits", bits)
	}
	for _, now := range []time.Time{time.Now(), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			t.Errorf("not valid at %v", now)
		}
	}
	if len(k.APIv3Key) != 32 || !strings.HasPrefix(k.PublicKeyID, "PUB_KEY_ID_") {
		t.Errorf("APIv3 key of %d bytes, public key id %s", len(k.APIv3Key), k.PublicKeyID)
	}
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k)} {
		if strings.Contains(text, k.APIv3Key) || strings.Contains(text, "PRIVATE") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	good := wechatsim.Options{MchID: mchID, Keys: keys(t)}
	for name, change := range map[string]func(*wechatsim.Options){
		"no merchant":       func(o *wechatsim.Options) { o.MchID = "" },
		"unknown mode":      func(o *wechatsim.Options) { o.Mode = "none" },
		"unknown notifier":  func(o *wechatsim.Options) { o.NotifyWith = wechatsim.ModeBoth },
		"negative scale":    func(o *wechatsim.Options) { o.NotifyScale = -1 },
		"no keys":           func(o *wechatsim.Options) { o.Keys = wechatsim.Keys{} },
		"foreign serial":    func(o *wechatsim.Options) { o.Keys.MerchantSerial = "00" },
		"short APIv3 key":   func(o *wechatsim.Options) { o.Keys.APIv3Key = "short" },
		"bad public key id": func(o *wechatsim.Options) { o.Keys.PublicKeyID = "1" },
	} {
		o := good
		change(&o)
		if _, err := wechatsim.New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
