package server

import (
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// origins are the web pages that may call hisgate from a browser. Without any no
// CORS header is sent, and a browser keeps every answer from pages of elsewhere.
// It would still send their requests: those that change something are refused,
// because a hisgate without authentication takes whoever reaches it for local.
type origins struct {
	allowed map[string]bool
	guard   *http.CrossOriginProtection
}

// newOrigins reads a list of origins. Errors: the first that is none.
func newOrigins(list []string) (*origins, error) {
	o := &origins{allowed: make(map[string]bool), guard: http.NewCrossOriginProtection()}
	for _, origin := range list {
		if err := o.guard.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("origin %q: %w", origin, err)
		}
		o.allowed[origin] = true
	}
	return o, nil
}

// The headers of a page of another origin: those that it may send, and those that
// it may read.
const (
	corsRequest  = "Authorization, Content-Type, X-Request-Id, Traceparent, Tracestate, Last-Event-ID, Grpc-Timeout"
	corsResponse = "X-Request-Id, Traceresponse, Retry-After, Allow"
	corsAge      = "600" // seconds
)

// protect answers what browsers ask before they let a page call, and refuses the
// calls of pages that may not. Credentials of the browser (cookies, client
// certificates) have no part in it: a page shows its token itself.
func (o *origins) protect(errs *restErrors, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if len(o.allowed) > 0 {
			h.Add("Vary", "Origin")
		}
		if origin := r.Header.Get("Origin"); o.allowed[origin] {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsResponse)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST")
				h.Set("Access-Control-Allow-Headers", corsRequest)
				h.Set("Access-Control-Max-Age", corsAge)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if err := o.guard.Check(r); err != nil {
			errs.fail(w, r, http.StatusForbidden, codes.PermissionDenied, hisgatev1.Reason_PERMISSION_DENIED,
				"a page of this origin may not call hisgate; listen.cors_origins names those that may", "该来源的网页不允许调用")
			return
		}
		next.ServeHTTP(w, r)
	})
}
