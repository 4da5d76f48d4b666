package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/hisgate/hisgate/gateway/server/access"
)

// identity is who calls. There is one place that makes it, identify, and one key
// by which handlers find it; no client header but Authorization has a part in it
// [E5].
type identity struct {
	access.Identity
	authenticated bool // it proved its name
}

// local is the one caller of a hisgate without authentication. Its name, as that
// of every client, has no "/": payflow's locks belong to hisgate/payflow, which
// nobody can be called [E1].
var local = identity{Identity: access.Identity{Name: "local", Roles: []access.Role{access.Admin}}}

type identityKey struct{}

// identify names the caller of a method, and refuses one who may not call it.
// Errors: *limitError for an address that fails too often, access.ErrUnknown,
// *roleError.
func (i *interceptors) identify(ctx context.Context, method string) (context.Context, error) {
	if i.access == nil {
		connOf(ctx).prove()
		return context.WithValue(ctx, identityKey{}, local), nil
	}
	if open(method) {
		connOf(ctx).strangeCall()
		return ctx, nil
	}
	id, err := i.access(proofOf(ctx))
	if err != nil {
		return ctx, i.stranger(ctx, method, err)
	}
	connOf(ctx).prove()
	ctx = context.WithValue(ctx, identityKey{}, identity{Identity: id, authenticated: true})
	return ctx, permitted(id, method)
}

// stranger counts a call without a proof against its address, so that guessing
// is bounded like everything else, and logs why it is refused.
func (i *interceptors) stranger(ctx context.Context, method string, err error) error {
	connOf(ctx).strangeCall()
	leave, limited := i.admit.enter(clientOf(ctx), strangerCall)
	if limited != nil {
		return limited
	}
	leave()
	if i.admit.warns(scopeStranger) {
		i.log.WarnContext(ctx, "a caller is refused; more of them within the minute are not logged",
			"why", err.Error(), "peer", peerOf(ctx), "method", method, "request_id", requestID(ctx))
	}
	return err
}

// proofOf is what the caller of this request shows: over gRPC the connection and
// the metadata, over REST those of the HTTP request.
func proofOf(ctx context.Context) access.Proof {
	if r := requestOf(ctx); r != nil {
		return proofIn(r)
	}
	var proof access.Proof
	if p, ok := peer.FromContext(ctx); ok {
		if t, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			proof.Certificate = leafOf(&t.State)
		}
	}
	proof.Authorization = metadata.ValueFromIncomingContext(ctx, "authorization")
	return proof
}

// proofIn is what the sender of an HTTP request shows.
func proofIn(r *http.Request) access.Proof {
	return access.Proof{Certificate: leafOf(r.TLS), Authorization: r.Header.Values("Authorization")}
}

// knows reports whether identify would name the sender of an HTTP request. It
// grants nothing.
func (i *interceptors) knows(r *http.Request) bool {
	if i.access == nil {
		return true
	}
	_, err := i.access(proofIn(r))
	return err == nil
}

// leafOf is the client's certificate, if TLS has verified one.
func leafOf(t *tls.ConnectionState) *x509.Certificate {
	if t == nil || len(t.VerifiedChains) == 0 {
		return nil
	}
	return t.VerifiedChains[0][0]
}

// caller is who calls; nobody, with no rights, where nobody was identified.
func caller(ctx context.Context) identity {
	id, _ := ctx.Value(identityKey{}).(identity)
	return id
}

// scope is the principal whose records the caller may read; "" = everybody's.
func (id identity) scope() string {
	if id.May(access.Operator) {
		return ""
	}
	return id.Name
}

// open methods need no name: whoever watches over a process has none.
func open(method string) bool { return strings.HasPrefix(method, "/grpc.health.v1.Health/") }
