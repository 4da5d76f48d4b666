package access

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Proof is what a caller shows.
type Proof struct {
	Certificate   *x509.Certificate // of the client, verified by TLS; nil without
	Authorization []string          // the values of the Authorization header
}

// Options say what counts as a proof.
type Options struct {
	CallersFile string // tokens and certificates with their names and roles; "" = none
	JWT         JWT    // without KeysFile no JSON Web Token counts
	Now         func() time.Time
}

// Keeper tells who calls. Its methods may be called by several goroutines.
type Keeper struct {
	o   Options
	now func() time.Time

	mu      sync.RWMutex
	callers *callers
	jwt     *jwtKeys // nil = none counts
}

// ErrUnknown is the error of a caller who has no proof, or one that does not
// count. What wraps it says why, for the log; the caller is not told.
var ErrUnknown = errors.New("unknown caller")

// New reads the files. Errors: what is wrong with them, all at once.
func New(o Options) (*Keeper, error) {
	k := &Keeper{o: o, now: o.Now}
	if k.now == nil {
		k.now = time.Now
	}
	if o.CallersFile == "" && o.JWT.KeysFile == "" {
		return nil, errors.New("nothing is configured that could prove who calls")
	}
	return k, k.Reload()
}

// Reload reads the files again. When something is wrong with one, what was known
// before goes on to count, and the error says what it is.
func (k *Keeper) Reload() error {
	var errs []error
	known := &callers{}
	if f := k.o.CallersFile; f != "" {
		var err error
		if known, err = readCallers(f); err != nil {
			errs = append(errs, fmt.Errorf("callers: %w", err))
		}
	}
	var keys *jwtKeys
	if k.o.JWT.KeysFile != "" {
		var err error
		if keys, err = readJWT(k.o.JWT, k.now); err != nil {
			errs = append(errs, fmt.Errorf("jwt: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.callers, k.jwt = known, keys
	return nil
}

// Identify tells who shows this proof. A token counts before a certificate.
// Errors: ErrUnknown, wrapped with the reason. It does not block.
func (k *Keeper) Identify(p Proof) (Identity, error) {
	k.mu.RLock()
	known, keys := k.callers, k.jwt
	k.mu.RUnlock()
	if len(p.Authorization) > 1 {
		return unknown("more than one Authorization header")
	}
	if len(p.Authorization) == 1 {
		scheme, bearer, ok := strings.Cut(p.Authorization[0], " ")
		switch {
		case !ok || !strings.EqualFold(scheme, "Bearer"):
			return unknown("the Authorization header is no bearer token")
		case isToken(bearer):
			return k.granted(known.byToken[sha256.Sum256([]byte(bearer))], "the token")
		case keys == nil:
			return unknown("the bearer token is none of ours")
		}
		id, err := keys.identify(bearer)
		if err != nil {
			return unknown("JSON Web Token: " + err.Error())
		}
		return id, nil
	}
	if p.Certificate == nil {
		return unknown("no credentials")
	}
	// TLS has looked at its time when the connection began, which may be long ago.
	if end := p.Certificate.NotAfter; !end.IsZero() && k.now().After(end) {
		return unknown("the certificate has expired")
	}
	for _, name := range namesOf(p.Certificate) {
		if g, ok := known.byCert[name]; ok {
			return k.granted(g, "the certificate of "+name)
		}
	}
	return unknown(fmt.Sprintf("the certificate of %q is not listed", p.Certificate.Subject.CommonName))
}

func (k *Keeper) granted(g granted, what string) (Identity, error) {
	switch {
	case g.Name == "":
		return unknown(what + " is not listed")
	case !g.expires.IsZero() && !k.now().Before(g.expires):
		return unknown(what + " has expired")
	default:
		return g.Identity, nil
	}
}

func unknown(why string) (Identity, error) {
	return Identity{}, fmt.Errorf("%w: %s", ErrUnknown, why)
}

// namesOf are the names that a certificate goes by, the most exact first.
func namesOf(c *x509.Certificate) (names []string) {
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	names = append(names, c.DNSNames...)
	if cn := c.Subject.CommonName; cn != "" {
		names = append(names, cn)
	}
	return names
}

func splitWords(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}
