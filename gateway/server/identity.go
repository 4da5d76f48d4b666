package server

import "context"

// identity is who calls. There is one place that makes it, identify, and one key
// by which handlers find it; no client header has a part in it [E5].
type identity struct {
	name          string
	authenticated bool // it proved its name
	operator      bool // sees the records of all principals, and settles cases
	pricing       bool // may give amounts [E2]
}

// local is the one caller of a hisgate without authentication. Its name, as that
// of every client, has no "/": payflow's locks belong to hisgate/payflow, which
// nobody can be called [E1].
var local = identity{name: "local", operator: true, pricing: true}

type identityKey struct{}

// identify names the caller of a request.
func identify(ctx context.Context) context.Context {
	return context.WithValue(ctx, identityKey{}, local)
}

// caller is who calls; nobody, with no rights, where nobody was identified.
func caller(ctx context.Context) identity {
	id, _ := ctx.Value(identityKey{}).(identity)
	return id
}

// scope is the principal whose records the caller may read; "" = everybody's.
func (id identity) scope() string {
	if id.operator {
		return ""
	}
	return id.name
}
