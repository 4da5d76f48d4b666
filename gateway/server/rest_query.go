package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// queries are the query parameters of each GET route, by its pattern. POST has
// none. grpc-gateway would ignore those that it does not know.
type queries map[string]map[string]bool

// readRoutes reads the routes, the parameters of those that have some, and the
// paths of what can be watched, out of the .proto files.
func readRoutes() (_ queries, _ routes, watched map[string]bool, _ error) {
	out, all, watched := queries{}, routes{}, map[string]bool{}
	for _, f := range files() {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
				if !ok || rule == nil {
					return nil, nil, nil, fmt.Errorf("method %s has no route", m.FullName())
				}
				method, path := methodOf(rule.GetGet(), rule.GetPost())
				all = append(all, newRoute(method, path))
				if method == http.MethodGet {
					out[path] = parametersOf(m.Input(), path)
				}
				watched[path] = m.IsStreamingServer() && strings.HasPrefix(string(m.Name()), "Watch")
			}
		}
	}
	return out, all, watched, nil
}

// routePath is the path of a route as the .proto files have it.
func routePath(p runtime.Pattern) string { return strings.ReplaceAll(p.String(), "=*}", "}") }

// parametersOf are the fields of a request that are not in its path, by both of
// their names.
func parametersOf(in protoreflect.MessageDescriptor, path string) map[string]bool {
	out := map[string]bool{}
	for i := range in.Fields().Len() {
		f := in.Fields().Get(i)
		if !strings.Contains(path, "{"+string(f.Name())+"}") {
			out[string(f.Name())], out[f.JSONName()] = true, true
		}
	}
	return out
}

// check refuses parameters that the route does not have.
func (q queries) check(errs *restErrors) runtime.Middleware {
	return func(next runtime.HandlerFunc) runtime.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
			values, err := url.ParseQuery(r.URL.RawQuery)
			if err != nil {
				errs.refuse(w, r, http.StatusBadRequest, "the query cannot be read", "查询串无法解析")
				return
			}
			pattern, _ := runtime.HTTPPattern(r.Context())
			allowed := q[routePath(pattern)]
			for name, all := range values {
				if r.Method != http.MethodGet || !allowed[name] {
					errs.refuse(w, r, http.StatusBadRequest, fmt.Sprintf("unknown query parameter %q", name), "未知的查询参数")
					return
				}
				for _, v := range all {
					if !utf8.ValidString(v) {
						errs.refuse(w, r, http.StatusBadRequest, fmt.Sprintf("query parameter %q is not UTF-8", name), "查询参数不是 UTF-8")
						return
					}
				}
			}
			next(w, r, params)
		}
	}
}
