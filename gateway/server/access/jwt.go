package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// JWT says which JSON Web Tokens count.
type JWT struct {
	KeysFile   string // PEM: public keys or certificates, one or more
	Issuer     string // iss must be this
	Audience   string // aud must hold this
	NameClaim  string // where the name stands; "" = sub
	RolesClaim string // where the roles stand, a list or words; "" = roles

	PharmaciesClaim string // where the pharmacies of a reporter stand, a list or one; "" = he may report of all
}

const jwtLeeway = 30 * time.Second

// jwtKeys verifies JSON Web Tokens.
type jwtKeys struct {
	o      JWT
	keys   map[string][]crypto.PublicKey // by the kind of the algorithm
	parser *jwt.Parser
}

// readJWT reads the keys. Errors: what is wrong with the file or the settings.
func readJWT(o JWT, now func() time.Time) (*jwtKeys, error) {
	if o.NameClaim == "" {
		o.NameClaim = "sub"
	}
	if o.RolesClaim == "" {
		o.RolesClaim = "roles"
	}
	if o.Issuer == "" || o.Audience == "" {
		return nil, errors.New("issuer and audience must be set, or every token of the same issuer would count")
	}
	b, err := os.ReadFile(o.KeysFile)
	if err != nil {
		return nil, err
	}
	k := &jwtKeys{o: o, keys: make(map[string][]crypto.PublicKey)}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if err := k.add(block); err != nil {
			return nil, fmt.Errorf("%s: %w", o.KeysFile, err)
		}
	}
	if len(k.keys) == 0 {
		return nil, fmt.Errorf("%s: holds no public key in PEM", o.KeysFile)
	}
	// Symmetric algorithms and "none" are out: the keys are public.
	k.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}),
		jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(jwtLeeway), jwt.WithTimeFunc(now),
	)
	return k, nil
}

func (k *jwtKeys) add(block *pem.Block) error {
	var key crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = c.PublicKey
		}
	default:
		return fmt.Errorf("a block %q is neither a public key nor a certificate", block.Type)
	}
	if err != nil {
		return err
	}
	kind, err := kindOfKey(key)
	if err != nil {
		return err
	}
	k.keys[kind] = append(k.keys[kind], key)
	return nil
}

// minRSA is the least size of an RSA key in bits.
const minRSA = 2048

func kindOfKey(key crypto.PublicKey) (string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return "", fmt.Errorf("an RSA key of %d bits is too short; at least %d", key.N.BitLen(), minRSA)
		}
		return "RSA", nil
	case *ecdsa.PublicKey:
		return "EC", nil
	case ed25519.PublicKey:
		return "Ed", nil
	default:
		return "", fmt.Errorf("a key of type %T cannot verify tokens", key)
	}
}

// identify verifies a token. Errors: why it does not count.
func (k *jwtKeys) identify(token string) (Identity, error) {
	claims := jwt.MapClaims{}
	_, err := k.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		kind := map[byte]string{'R': "RSA", 'P': "RSA", 'E': "EC"}[t.Method.Alg()[0]]
		if t.Method.Alg() == "EdDSA" {
			kind = "Ed"
		}
		set := jwt.VerificationKeySet{}
		for _, key := range k.keys[kind] {
			set.Keys = append(set.Keys, key.(jwt.VerificationKey))
		}
		if len(set.Keys) == 0 {
			return nil, fmt.Errorf("no key for %s", t.Method.Alg())
		}
		return set, nil
	})
	if err != nil {
		return Identity{}, err
	}
	name, _ := claims[k.o.NameClaim].(string)
	if err := CheckName(name); err != nil {
		return Identity{}, fmt.Errorf("claim %s: %w", k.o.NameClaim, err)
	}
	id := Identity{Name: name, Roles: rolesIn(claims[k.o.RolesClaim])}
	if of := k.o.PharmaciesClaim; of != "" && (claims[of] != nil || !id.May(Admin)) {
		id.Pharmacies = pharmaciesIn(claims[of])
	}
	return id, nil
}

// pharmaciesIn reads a claim of pharmacies, never nil. Ids are opaque: what is no
// text is none.
func pharmaciesIn(claim any) []string {
	ids := []string{}
	switch c := claim.(type) {
	case string:
		ids = append(ids, c)
	case []any:
		for _, v := range c {
			if id, ok := v.(string); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// rolesIn reads a claim of roles; words that are none of ours are those of other
// services.
func rolesIn(claim any) (roles []Role) {
	var words []string
	switch c := claim.(type) {
	case string:
		words = splitWords(c)
	case []any:
		for _, w := range c {
			if s, ok := w.(string); ok {
				words = append(words, s)
			}
		}
	}
	for _, w := range words {
		if r, err := ParseRole(w); err == nil {
			roles = append(roles, r)
		}
	}
	return roles
}
