package server

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
)

// An id may hold any character, "/" among them, when it is percent-encoded. The
// mux splits a path at %2F as at "/", so it is given a stand-in, a code point
// that is no character and cannot be in an id, and the slash is put back
// afterwards.
const slashStandIn = "\uFFFF"

var encodedSlash = regexp.MustCompile("%2[fF]")

// plainPath refuses paths that are not UTF-8 and hides encoded slashes.
func plainPath(errs *restErrors, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !utf8.ValidString(r.URL.Path) || strings.Contains(r.URL.Path, slashStandIn) {
			errs.refuse(w, r, http.StatusBadRequest, "the path is not UTF-8", "路径不是 UTF-8")
			return
		}
		if raw := r.URL.EscapedPath(); encodedSlash.MatchString(raw) {
			raw = encodedSlash.ReplaceAllString(raw, url.PathEscape(slashStandIn))
			path, err := url.PathUnescape(raw)
			if err != nil {
				errs.refuse(w, r, http.StatusBadRequest, "the path cannot be read", "路径无法解析")
				return
			}
			u := *r.URL
			u.Path, u.RawPath = path, raw
			hidden := *r
			hidden.URL = &u
			r = &hidden
		}
		next.ServeHTTP(w, r)
	})
}

// putSlashesBack restores what plainPath hid.
func putSlashesBack(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		for name, v := range params {
			params[name] = strings.ReplaceAll(v, slashStandIn, "/")
		}
		next(w, r, params)
	}
}
