package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// newREST builds the REST side: routes of the .proto files over a channel in
// this process, with the interceptors of gRPC.
func newREST(o *Options, s *services, i *interceptors) (http.Handler, error) {
	calls := newInProcess(i)
	s.register(calls)
	queries, routes, watched, err := readRoutes()
	if err != nil {
		return nil, err
	}
	pages, err := newOrigins(o.Origins)
	if err != nil {
		return nil, err
	}
	out := newJSON()
	errs := &restErrors{json: out, log: o.Logger, now: o.Now, routes: routes}
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, out),
		runtime.WithMarshalerOption(eventStream, eventJSON{out}),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllCharacters),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithIncomingHeaderMatcher(incomingHeader),
		runtime.WithOutgoingHeaderMatcher(dropHeader),
		runtime.WithOutgoingTrailerMatcher(dropHeader),
		runtime.WithErrorHandler(errs.handle),
		runtime.WithStreamErrorHandler(errs.streamed),
		runtime.WithRoutingErrorHandler(errs.routing),
		runtime.WithMiddlewares(namedSpan, queries.check(errs), putSlashesBack, asEvents(watched, o.Heartbeat)),
	)
	if err := hisgatev1.RegisterREST(context.Background(), mux, firstOrError{calls}); err != nil {
		return nil, fmt.Errorf("routes of the API: %w", err)
	}
	api := errs.guarded(boundedBody(errs, i.knows, i.messageTime, plainPath(errs, mux)))
	traced := tracedREST(o.Tracer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, withRequest(r))
	}))
	all, err := described(errs, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		traced.ServeHTTP(w, r)
	}))
	if err != nil {
		return nil, err
	}
	return secured(o.HSTS, numbered(uncrowded(errs, i.admit, pages.protect(errs, all)))), nil
}

// secured sets the headers that keep a browser from making more of an answer
// than it is.
func secured(hsts time.Duration, next http.Handler) http.Handler {
	strict := "max-age=" + strconv.Itoa(int(hsts.Seconds()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if hsts > 0 && r.TLS != nil {
			h.Set("Strict-Transport-Security", strict)
		}
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// numbered gives a request its number, and tells it.
func numbered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := pickRequestID(r.Header.Values(requestIDHeader))
		r.Header.Set(requestIDHeader, id)
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r)
	})
}

// incomingHeader lets one header of a client through to the services: its number
// of the request. No header says who calls [E5].
func incomingHeader(name string) (string, bool) {
	return requestIDHeader, strings.EqualFold(name, requestIDHeader)
}

// dropHeader keeps metadata inside: the request's number is set already.
func dropHeader(string) (string, bool) { return "", false }
