package access

import (
	"fmt"
	"slices"
	"strings"
)

// Role permits a kind of calls.
type Role string

// The roles. Pricing permits no call: it lets a cashier name amounts [E2].
const (
	Reader   Role = "reader"   // reads stock
	Reporter Role = "reporter" // reports changes of stock
	Locker   Role = "locker"   // holds stock
	Cashier  Role = "cashier"  // makes orders and has them paid
	Pricing  Role = "pricing"  // says what an order costs
	Operator Role = "operator" // settles cases, refunds, sees the records of all
	Admin    Role = "admin"    // everything
)

// Roles are all there are, the least first.
var Roles = []Role{Reader, Reporter, Locker, Cashier, Pricing, Operator, Admin}

// ParseRole reads a role by its name.
func ParseRole(name string) (Role, error) {
	if r := Role(name); slices.Contains(Roles, r) {
		return r, nil
	}
	all := make([]string, len(Roles))
	for i, r := range Roles {
		all[i] = string(r)
	}
	return "", fmt.Errorf("%q is no role; there are %s", name, strings.Join(all, ", "))
}

// Identity is who calls.
type Identity struct {
	Name       string // the principal: locks and orders belong to it
	Roles      []Role
	Pharmacies []string // that a reporter may report of; nil = all
}

// May reports whether the caller has a role. Admins have all.
func (id Identity) May(r Role) bool {
	return slices.Contains(id.Roles, r) || slices.Contains(id.Roles, Admin)
}

// MayReport reports whether the caller may report changes of a pharmacy.
func (id Identity) MayReport(pharmacyID string) bool {
	return id.May(Reporter) && (id.Pharmacies == nil || slices.Contains(id.Pharmacies, pharmacyID))
}

// maxName bounds a principal's name in bytes.
const maxName = 64

// CheckName refuses names that records or logs could be confused by. A slash is
// kept for hisgate itself [E1].
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a name is missing")
	case len(name) > maxName:
		return fmt.Errorf("the name %q has more than %d bytes", name, maxName)
	}
	for _, r := range name {
		if r == '/' || r <= ' ' || r > '~' {
			return fmt.Errorf("the name %q has a character other than the printable ones of ASCII without / and space", name)
		}
	}
	return nil
}
