package server

import (
	"net/http"

	"github.com/hisgate/hisgate/internal/anteroom"
	"github.com/hisgate/hisgate/internal/clientaddr"
)

// strangers bounds the requests under way by HTTP connections of nobody known: of
// strangers, and callbacks and posts whose signature is not yet looked at. One too
// many hangs up on the connection of another, of the address that has the most.
type strangers struct {
	knows func(*http.Request) bool
	admit *admission
	room  *anteroom.Room
}

func (s strangers) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := connIn(r.Context())
		if c == nil || c.proven.Load() || s.knows(r) {
			next.ServeHTTP(w, r)
			return
		}
		defer s.room.Enter(clientaddr.Of(r.RemoteAddr), func() {
			s.admit.turnedAway(scopeInFlight, r.RemoteAddr, c.door.name)
			c.hangUp()
		})()
		next.ServeHTTP(w, r)
	})
}
