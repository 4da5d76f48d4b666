package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// newREST builds the REST side: routes of the .proto files over a channel in
// this process, with the interceptors of gRPC.
func newREST(s *services, i *interceptors, log *slog.Logger) (http.Handler, error) {
	channel := new(inprocgrpc.Channel).WithServerUnaryInterceptor(i.unary).WithServerStreamInterceptor(i.stream)
	s.register(channel)
	queries, routes, err := readRoutes()
	if err != nil {
		return nil, err
	}
	out := newJSON()
	errs := &restErrors{json: out, log: log, routes: routes}
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, out),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllCharacters),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithIncomingHeaderMatcher(incomingHeader),
		runtime.WithOutgoingHeaderMatcher(dropHeader),
		runtime.WithOutgoingTrailerMatcher(dropHeader),
		runtime.WithErrorHandler(errs.handle),
		runtime.WithStreamErrorHandler(errs.streamed),
		runtime.WithRoutingErrorHandler(errs.routing),
		runtime.WithMiddlewares(queries.check(errs), putSlashesBack),
	)
	if err := hisgatev1.RegisterREST(context.Background(), mux, firstOrError{channel}); err != nil {
		return nil, fmt.Errorf("routes of the API: %w", err)
	}
	api := errs.guarded(boundedBody(errs, plainPath(errs, mux)))
	spec := newOpenAPI(errs)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := pickRequestID(r.Header.Values(requestIDHeader))
		r.Header.Set(requestIDHeader, id)
		h := w.Header()
		h.Set(requestIDHeader, id)
		h.Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == openAPIPath {
			spec.ServeHTTP(w, r)
			return
		}
		h.Set("Cache-Control", "no-store")
		api.ServeHTTP(w, withRequest(r))
	}), nil
}

// incomingHeader lets one header of a client through to the services: its number
// of the request. No header says who calls [E5].
func incomingHeader(name string) (string, bool) {
	return requestIDHeader, strings.EqualFold(name, requestIDHeader)
}

// dropHeader keeps metadata inside: the request's number is set already.
func dropHeader(string) (string, bool) { return "", false }
