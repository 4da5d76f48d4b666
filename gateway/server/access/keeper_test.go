package access_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hisgate/hisgate/gateway/server/access"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, o access.Options) *access.Keeper {
	t.Helper()
	o.Now = func() time.Time { return now }
	k, err := access.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pemOf(t *testing.T, keys ...crypto.PublicKey) string {
	t.Helper()
	var b strings.Builder
	for _, k := range keys {
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		_ = pem.Encode(&b, &pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	return b.String()
}

func bearer(token string) access.Proof {
	return access.Proof{Authorization: []string{"Bearer " + token}}
}

func TestTokensAndCertificates(t *testing.T) {
	shop, shopSum := access.NewToken()
	old, oldSum := access.NewToken()
	stranger, _ := access.NewToken()
	spiffe := &url.URL{Scheme: "spiffe", Host: "hospital", Path: "/his"}
	k := open(t, access.Options{CallersFile: write(t, "callers.yaml", fmt.Sprintf(`
- name: shop
  token_sha256: %s
  roles: [reader, cashier]
- name: old
  token_sha256: %s
  roles: [admin]
  expires: 2026-11-22T09:00:00Z
- name: his
  certificate: spiffe://hospital/his
  roles: [reporter]
  pharmacies: [HLWYF]
- name: desk
  certificate: desk.hospital.example
  roles: [operator]
`, shopSum, oldSum))})
	his := &x509.Certificate{Subject: pkix.Name{CommonName: "desk.hospital.example"}, URIs: []*url.URL{spiffe}}
	desk := &x509.Certificate{DNSNames: []string{"desk.hospital.example"}}
	other := &x509.Certificate{Subject: pkix.Name{CommonName: "other"}}
	for _, tt := range []struct {
		name  string
		proof access.Proof
		want  string // the principal, or a part of why not
	}{
		{"token", bearer(shop), "shop"},
		{"scheme in other letters", access.Proof{Authorization: []string{"bearer " + shop}}, "shop"},
		{"token before certificate", access.Proof{Authorization: []string{"Bearer " + shop}, Certificate: desk}, "shop"},
		{"the most exact name of a certificate", access.Proof{Certificate: his}, "his"},
		{"certificate by its DNS name", access.Proof{Certificate: desk}, "desk"},
		{"nothing", access.Proof{}, "no credentials"},
		{"token of somebody else", bearer(stranger), "not listed"},
		{"a bad token does not fall back to the certificate", access.Proof{Authorization: []string{"Bearer " + stranger}, Certificate: desk}, "not listed"},
		{"a token that has expired", bearer(old), "expired"},
		{"a token and a half", bearer(shop + "x"), "not listed"},
		{"two headers", access.Proof{Authorization: []string{"Bearer " + shop, "Bearer " + shop}}, "more than one"},
		{"another scheme", access.Proof{Authorization: []string{"Basic c2hvcDpzaG9w"}}, "no bearer token"},
		{"no scheme", access.Proof{Authorization: []string{shop}}, "no bearer token"},
		{"a JSON Web Token where none counts", bearer("eyJhbGciOiJub25lIn0.e30."), "none of ours"},
		{"a certificate that is not listed", access.Proof{Certificate: other}, "not listed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := k.Identify(tt.proof)
			switch {
			case err == nil && id.Name != tt.want:
				t.Fatalf("got %+v", id)
			case err != nil && (!errors.Is(err, access.ErrUnknown) || !strings.Contains(err.Error(), tt.want) || id.Name != ""):
				t.Fatalf("got %+v, %v", id, err)
			case err != nil && strings.Contains(err.Error(), shop[3:]):
				t.Fatalf("the error holds the token: %v", err)
			}
		})
	}
	id, err := k.Identify(access.Proof{Certificate: his})
	if err != nil || !id.MayReport("HLWYF") || id.MayReport("OTHER") || id.May(access.Reader) {
		t.Fatalf("the reporter of one pharmacy: %+v, %v", id, err)
	}
}

func TestJSONWebTokens(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	strange, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := pemOf(t, &rsaKey.PublicKey, &ecKey.PublicKey, edPublic)
	k := open(t, access.Options{JWT: access.JWT{KeysFile: write(t, "keys.pem", keys), Issuer: "https://sso.example", Audience: "hisgate"}})
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{
			"iss": "https://sso.example", "aud": []string{"other", "hisgate"}, "sub": "shop", "exp": now.Add(time.Hour).Unix(),
			"roles": []string{"cashier", "somebody-elses-role", "reader"},
		}
		if change != nil {
			change(c)
		}
		return c
	}
	sign := func(m jwt.SigningMethod, key any, c jwt.MapClaims) string {
		t.Helper()
		s, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	set := func(name string, v any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = v } }
	good := sign(jwt.SigningMethodES256, ecKey, claims(nil))
	for _, tt := range []struct {
		name, token string
		ok          bool
	}{
		{"RS256", sign(jwt.SigningMethodRS256, rsaKey, claims(nil)), true},
		{"PS512", sign(jwt.SigningMethodPS512, rsaKey, claims(nil)), true},
		{"ES256", good, true},
		{"EdDSA", sign(jwt.SigningMethodEdDSA, edKey, claims(nil)), true},
		{"roles as words", sign(jwt.SigningMethodES256, ecKey, claims(set("roles", "reader, cashier other"))), true},
		{"another key", sign(jwt.SigningMethodES256, strange, claims(nil)), false},
		{"the public key as a password", sign(jwt.SigningMethodHS256, []byte(keys), claims(nil)), false},
		{"no signature", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)), false},
		{"changed", good[:len(good)-4] + "AAAA", false},
		{"another issuer", sign(jwt.SigningMethodES256, ecKey, claims(set("iss", "https://evil.example"))), false},
		{"another audience", sign(jwt.SigningMethodES256, ecKey, claims(set("aud", "billing"))), false},
		{"no audience", sign(jwt.SigningMethodES256, ecKey, claims(func(c jwt.MapClaims) { delete(c, "aud") })), false},
		{"expired", sign(jwt.SigningMethodES256, ecKey, claims(set("exp", now.Add(-time.Minute).Unix()))), false},
		{"without an end", sign(jwt.SigningMethodES256, ecKey, claims(func(c jwt.MapClaims) { delete(c, "exp") })), false},
		{"not yet", sign(jwt.SigningMethodES256, ecKey, claims(set("nbf", now.Add(time.Hour).Unix()))), false},
		{"no name", sign(jwt.SigningMethodES256, ecKey, claims(func(c jwt.MapClaims) { delete(c, "sub") })), false},
		{"hisgate's own name", sign(jwt.SigningMethodES256, ecKey, claims(set("sub", "hisgate/payflow"))), false},
		{"garbage", "a.b.c", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := k.Identify(bearer(tt.token))
			if !tt.ok {
				if !errors.Is(err, access.ErrUnknown) || id.Name != "" {
					t.Fatalf("got %+v, %v", id, err)
				}
				return
			}
			if err != nil || id.Name != "shop" || !slices.Contains(id.Roles, access.Cashier) || !id.May(access.Reader) || len(id.Roles) != 2 {
				t.Fatalf("got %+v, %v", id, err)
			}
		})
	}
}

// A claim may say for which pharmacies a reporter reports. Where one is named, a
// token that does not have it reports of none.
func TestAClaimNamesTheReportersPharmacies(t *testing.T) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, "keys.pem", pemOf(t, public))
	for _, tt := range []struct {
		name, of string
		role     string
		claim    any // nil = there is none
		may      []string
		mayNot   []string
	}{
		{"a list", "pharmacies", "reporter", []string{"A", "B"}, []string{"A", "B"}, []string{"C", "", "a"}},
		{"one", "pharmacies", "reporter", "A B", []string{"A B"}, []string{"A", "B"}},
		{"an empty list", "pharmacies", "reporter", []string{}, nil, []string{"A", ""}},
		{"none", "pharmacies", "reporter", nil, nil, []string{"A", ""}},
		{"numbers", "pharmacies", "reporter", []any{1, true, nil}, nil, []string{"1", "true", ""}},
		{"something else", "pharmacies", "reporter", map[string]any{"A": true}, nil, []string{"A"}},
		{"of an admin", "pharmacies", "admin", []string{"A"}, []string{"A"}, []string{"B"}},
		{"none of an admin", "pharmacies", "admin", nil, []string{"A", "B"}, nil},
		{"of no reporter", "pharmacies", "reader", []string{"A"}, nil, []string{"A"}},
		{"no claim is named", "", "reporter", []string{"A"}, []string{"A", "B"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := open(t, access.Options{JWT: access.JWT{KeysFile: file, Issuer: "i", Audience: "a", PharmaciesClaim: tt.of}})
			claims := jwt.MapClaims{"iss": "i", "aud": "a", "sub": "his", "exp": now.Add(time.Hour).Unix(), "roles": tt.role}
			if tt.claim != nil {
				claims["pharmacies"] = tt.claim
			}
			token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(key)
			if err != nil {
				t.Fatal(err)
			}
			id, err := k.Identify(bearer(token))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tt.may {
				if !id.MayReport(p) {
					t.Errorf("it may not report of %q: %+v", p, id)
				}
			}
			for _, p := range tt.mayNot {
				if id.MayReport(p) {
					t.Errorf("it may report of %q: %+v", p, id)
				}
			}
		})
	}
}

// A certificate that was good when the connection began counts no longer than it
// lives.
func TestACertificateCountsAsLongAsItLives(t *testing.T) {
	k := open(t, access.Options{CallersFile: write(t, "callers.yaml", "- {name: desk, certificate: desk, roles: [reader]}")})
	desk := &x509.Certificate{Subject: pkix.Name{CommonName: "desk"}, NotAfter: now.Add(time.Second)}
	if id, err := k.Identify(access.Proof{Certificate: desk}); err != nil || id.Name != "desk" {
		t.Errorf("got %+v, %v", id, err)
	}
	desk.NotAfter = now.Add(-time.Second)
	if id, err := k.Identify(access.Proof{Certificate: desk}); !errors.Is(err, access.ErrUnknown) || id.Name != "" {
		t.Errorf("got %+v, %v", id, err)
	}
}

func TestBadFilesAreRefusedByLine(t *testing.T) {
	_, sum := access.NewToken()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ callers, keys, want string }{
		"nothing":             {want: "nothing is configured"},
		"no list":             {callers: "name: shop", want: "not a list"},
		"unknown role":        {callers: "- {name: a, token_sha256: " + sum + ", roles: [boss]}", want: ":1: a: \"boss\" is no role"},
		"unknown key":         {callers: "- {name: a, token: x, roles: [reader]}", want: ":1: not a caller"},
		"no roles":            {callers: "\n- {name: a, token_sha256: " + sum + "}", want: ":2: a: has no roles"},
		"no proof":            {callers: "- {name: a, roles: [reader]}", want: "needs either"},
		"a name of our own":   {callers: "- {name: hisgate/payflow, certificate: x, roles: [reader]}", want: "the name \"hisgate/payflow\""},
		"the token itself":    {callers: "- {name: a, token_sha256: hg_ABC, roles: [reader]}", want: "64 hexadecimal digits"},
		"a token twice":       {callers: "- {name: a, token_sha256: " + sum + ", roles: [reader]}\n- {name: b, token_sha256: " + sum + ", roles: [admin]}", want: ":2: b: the token is listed twice"},
		"a certificate twice": {callers: "- {name: a, certificate: x, roles: [reader]}\n- {name: b, certificate: x, roles: [admin]}", want: ":2: b: the certificate \"x\" is listed twice"},
		"no keys":             {keys: "nothing here", want: "holds no public key"},
		"a private key":       {keys: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", want: "neither a public key"},
		"a short key":         {keys: pemOf(t, &weak.PublicKey), want: "1024 bits is too short"},
	} {
		t.Run(name, func(t *testing.T) {
			var o access.Options
			if tt.callers != "" {
				o.CallersFile = write(t, "callers.yaml", tt.callers)
			}
			if tt.keys != "" {
				o.JWT = access.JWT{KeysFile: write(t, "keys.pem", tt.keys), Issuer: "i", Audience: "a"}
			}
			if _, err := access.New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, err := access.New(access.Options{JWT: access.JWT{KeysFile: "x"}}); err == nil || !strings.Contains(err.Error(), "issuer and audience") {
		t.Fatalf("got %v", err)
	}
}

func TestReloadKeepsWhatCountedWhenAFileIsBad(t *testing.T) {
	first, firstSum := access.NewToken()
	second, secondSum := access.NewToken()
	path := write(t, "callers.yaml", "- {name: first, token_sha256: "+firstSum+", roles: [reader]}")
	k := open(t, access.Options{CallersFile: path})
	if err := os.WriteFile(path, []byte("- {name: second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err == nil {
		t.Fatal("half a file was read")
	}
	if _, err := k.Identify(bearer(first)); err != nil {
		t.Fatalf("a bad file threw out who was known: %v", err)
	}
	if err := os.WriteFile(path, []byte("- {name: second, token_sha256: "+secondSum+", roles: [reader]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Identify(bearer(first)); !errors.Is(err, access.ErrUnknown) {
		t.Fatalf("a token that was taken away still counts: %v", err)
	}
	if id, err := k.Identify(bearer(second)); err != nil || id.Name != "second" {
		t.Fatalf("got %+v, %v", id, err)
	}
}
