package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"go.yaml.in/yaml/v4"
)

// Grant is one entry of the file of callers.
type Grant struct {
	Name        string    `yaml:"name"`
	TokenSHA256 string    `yaml:"token_sha256,omitempty"` // in hex
	Certificate string    `yaml:"certificate,omitempty"`  // common name, DNS name or URI of the client's certificate
	Roles       []string  `yaml:"roles,flow"`
	Pharmacies  []string  `yaml:"pharmacies,omitempty,flow"`
	Expires     time.Time `yaml:"expires,omitempty"`
}

// granted is a grant as it counts.
type granted struct {
	Identity
	expires time.Time // zero = never
}

// callers is the file of callers, read.
type callers struct {
	byToken map[[sha256.Size]byte]granted
	byCert  map[string]granted
}

// maxCallersFile bounds the file of callers.
const maxCallersFile = 4 << 20

// readCallers reads the file of callers. Errors: everything that is wrong with
// it, each entry by its line.
func readCallers(path string) (*callers, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) > maxCallersFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxCallersFile)
	}
	var nodes []yaml.Node
	if err := yaml.Load(b, &nodes); err != nil && len(b) > 0 {
		return nil, fmt.Errorf("%s: not a list of callers: %w", path, err)
	}
	c := &callers{byToken: make(map[[sha256.Size]byte]granted), byCert: make(map[string]granted)}
	var errs []error
	for i := range nodes {
		if err := c.add(&nodes[i]); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", path, nodes[i].Line, err))
		}
	}
	return c, errors.Join(errs...)
}

func (c *callers) add(n *yaml.Node) error {
	var g Grant
	if err := n.Load(&g, yaml.WithKnownFields()); err != nil {
		return fmt.Errorf("not a caller: %w", err)
	}
	if err := CheckName(g.Name); err != nil {
		return err
	}
	who := granted{Identity: Identity{Name: g.Name, Pharmacies: g.Pharmacies}, expires: g.Expires}
	if len(g.Pharmacies) == 0 {
		who.Pharmacies = nil
	}
	for _, name := range g.Roles {
		r, err := ParseRole(name)
		if err != nil {
			return fmt.Errorf("%s: %w", g.Name, err)
		}
		who.Roles = append(who.Roles, r)
	}
	if len(who.Roles) == 0 {
		return fmt.Errorf("%s: has no roles", g.Name)
	}
	switch {
	case (g.TokenSHA256 == "") == (g.Certificate == ""):
		return fmt.Errorf("%s: needs either token_sha256 or certificate", g.Name)
	case g.Certificate != "":
		if _, twice := c.byCert[g.Certificate]; twice {
			return fmt.Errorf("%s: the certificate %q is listed twice", g.Name, g.Certificate)
		}
		c.byCert[g.Certificate] = who
		return nil
	}
	var sum [sha256.Size]byte
	if n, err := hex.Decode(sum[:], []byte(g.TokenSHA256)); err != nil || n != len(sum) || len(g.TokenSHA256) != 2*len(sum) {
		return fmt.Errorf("%s: token_sha256 is not 64 hexadecimal digits; hisgate token new prints it", g.Name)
	}
	if _, twice := c.byToken[sum]; twice {
		return fmt.Errorf("%s: the token is listed twice", g.Name)
	}
	c.byToken[sum] = who
	return nil
}
