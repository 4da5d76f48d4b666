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

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// queries are the query parameters of each GET route, by its pattern. POST has
// none. grpc-gateway would ignore those that it does not know.
type queries map[string]map[string]bool

// queryNames reads the parameters out of the .proto files.
func queryNames() (queries, error) {
	out := queries{}
	for _, f := range []protoreflect.FileDescriptor{
		hisgatev1.File_hisgate_v1_stock_proto, hisgatev1.File_hisgate_v1_lock_proto,
		hisgatev1.File_hisgate_v1_order_proto, hisgatev1.File_hisgate_v1_ops_proto,
	} {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
				if !ok || rule == nil {
					return nil, fmt.Errorf("method %s has no route", m.FullName())
				}
				if path := rule.GetGet(); path != "" {
					out[path] = parametersOf(m.Input(), path)
				}
			}
		}
	}
	return out, nil
}

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
			allowed := q[strings.ReplaceAll(pattern.String(), "=*}", "}")]
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
