package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/gateway/server/access"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// JSON Web Tokens that are forged by their header, and everything else that can
// stand in Authorization, over both ways: nobody gets in, and no key is fetched from
// where a token says.
func TestForgedTokensOpenNothing(t *testing.T) {
	ours, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(ours.Public())
	if err != nil {
		t.Fatal(err)
	}
	keys := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	file := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := access.New(access.Options{JWT: access.JWT{KeysFile: file, Issuer: "sso", Audience: "hisgate"}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, newFakePay(), func(o *server.Options) { o.Access = k.Identify })
	var fetched atomic.Int64
	theirKeys := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	defer theirKeys.Close()

	claims := jwt.MapClaims{"iss": "sso", "aud": "hisgate", "sub": "shop", "roles": "admin", "exp": time.Now().Add(time.Hour).Unix()}
	signed := func(m jwt.SigningMethod, key any, header map[string]any) string {
		t.Helper()
		token := jwt.NewWithClaims(m, claims)
		for name, v := range header {
			token.Header[name] = v
		}
		s, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	segment := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	good := signed(jwt.SigningMethodES256, ours, nil)
	parts := strings.Split(good, ".")
	admin := jwt.MapClaims{"iss": "sso", "aud": "hisgate", "sub": "root", "roles": "admin", "exp": claims["exp"]}
	for name, tt := range map[string]struct {
		header []string // Authorization
		ok     bool
	}{
		"good":                               {[]string{"Bearer " + good}, true},
		"good, under another kid":            {[]string{"Bearer " + signed(jwt.SigningMethodES256, ours, map[string]any{"kid": "../../../../dev/null"})}, true}, // kid is not looked at
		"alg none":                           {[]string{"Bearer " + signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil)}, false},
		"alg nOnE":                           {[]string{"Bearer " + segment(map[string]any{"alg": "nOnE"}) + "." + parts[1] + "."}, false},
		"alg none, with its old signature":   {[]string{"Bearer " + segment(map[string]any{"alg": "none"}) + "." + parts[1] + "." + parts[2]}, false},
		"no alg":                             {[]string{"Bearer " + segment(map[string]any{"typ": "JWT"}) + "." + parts[1] + "." + parts[2]}, false},
		"a number for an alg":                {[]string{"Bearer " + segment(map[string]any{"alg": 256}) + "." + parts[1] + "." + parts[2]}, false},
		"the public key as a secret":         {[]string{"Bearer " + signed(jwt.SigningMethodHS256, keys, nil)}, false},
		"the public key's bytes as a secret": {[]string{"Bearer " + signed(jwt.SigningMethodHS256, der, nil)}, false},
		"a key of its own":                   {[]string{"Bearer " + signed(jwt.SigningMethodES256, theirs, nil)}, false},
		"a key of its own, in jwk":           {[]string{"Bearer " + signed(jwt.SigningMethodES256, theirs, map[string]any{"jwk": map[string]string{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}})}, false},
		"a key of its own, by jku":           {[]string{"Bearer " + signed(jwt.SigningMethodES256, theirs, map[string]any{"jku": theirKeys.URL, "x5u": theirKeys.URL, "kid": "1"})}, false},
		"a wrong kid":                        {[]string{"Bearer " + signed(jwt.SigningMethodES256, theirs, map[string]any{"kid": "' OR 1=1 --"})}, false},
		"other claims":                       {[]string{"Bearer " + parts[0] + "." + segment(admin) + "." + parts[2]}, false},
		"an empty signature":                 {[]string{"Bearer " + parts[0] + "." + parts[1] + "."}, false},
		"a signature of zeros":               {[]string{"Bearer " + parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))}, false},
		"more segments":                      {[]string{"Bearer " + good + "." + parts[2]}, false},
		"very many dots":                     {[]string{"Bearer " + strings.Repeat(".", 8000)}, false},
		"very long":                          {[]string{"Bearer " + strings.Repeat("A", 12_000)}, false},
		"a good one and a bad one":           {[]string{"Bearer " + good + ", Bearer x"}, false},
		"two good ones":                      {[]string{"Bearer " + good, "Bearer " + good}, false},
		"without a scheme":                   {[]string{good}, false},
		"Basic":                              {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte("shop:"+good))}, false},
		"nothing behind Bearer":              {[]string{"Bearer "}, false},
		"a hash instead of a token":          {[]string{"Bearer hg_" + strings.Repeat("0", 64)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.rest.URL+stockPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header["Authorization"] = tt.header
			resp, err := w.rest.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[tt.ok]; resp.StatusCode != want {
				t.Errorf("over REST: %s", resp.Status)
			}
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": tt.header})
			_, err = hisgatev1.NewStockServiceClient(w.conn).GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "00010041"})
			if want := map[bool]codes.Code{true: codes.OK, false: codes.Unauthenticated}[tt.ok]; status.Code(err) != want {
				t.Errorf("over gRPC: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "signature") {
				t.Errorf("it is told why: %v", err)
			}
		})
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("keys were fetched from the attacker %d times", n)
	}
	if strings.Contains(w.log.String(), good) {
		t.Error("the log holds a token")
	}
}
