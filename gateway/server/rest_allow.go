package server

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// route is one path of the API and the method that it takes.
type route struct {
	method string
	path   *regexp.Regexp
}

// routes are all paths of the API, for those who came with the wrong method.
type routes []route

var variable = regexp.MustCompile(`\\\{[^}]*\\\}`)

func newRoute(method, path string) route {
	pattern := variable.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+")
	return route{method: method, path: regexp.MustCompile("^" + pattern + "$")}
}

// allow lists the methods that a path takes, as the Allow header spells it.
func (r routes) allow(path string) string {
	var methods []string
	for _, x := range r {
		if x.path.MatchString(path) && !slices.Contains(methods, x.method) {
			methods = append(methods, x.method)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// files are those of the API.
func files() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		hisgatev1.File_hisgate_v1_stock_proto, hisgatev1.File_hisgate_v1_lock_proto,
		hisgatev1.File_hisgate_v1_order_proto, hisgatev1.File_hisgate_v1_ops_proto,
	}
}

// methodOf is the HTTP method and the path of a rule.
func methodOf(get, post string) (method, path string) {
	if get != "" {
		return http.MethodGet, get
	}
	return http.MethodPost, post
}
