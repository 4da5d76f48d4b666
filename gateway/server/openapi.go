package server

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"
	"time"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The description of the REST side, and the page that shows it.
const (
	openAPIPath = "/openapi.json"
	pagePath    = "/docs/"
)

// page is a page of our own, so that it needs nothing from outside: a hospital's
// network has no way there.
//
//go:embed page
var page embed.FS

// pagePolicy lets the page have its own script and style, and ask for the
// document; nothing else, from nowhere.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// described answers what a person or a tool asks about the API itself, and hands
// on everything else. It needs no authentication: what it tells is public.
func described(errs *restErrors, next http.Handler) (http.Handler, error) {
	files := map[string]http.Handler{openAPIPath: newFile(errs, hisgatev1.OpenAPI(), "application/json")}
	for name, f := range map[string]struct{ file, kind string }{
		pagePath:              {"index.html", "text/html; charset=utf-8"},
		pagePath + "page.js":  {"page.js", "text/javascript; charset=utf-8"},
		pagePath + "page.css": {"page.css", "text/css; charset=utf-8"},
	} {
		b, err := fs.ReadFile(page, "page/"+f.file)
		if err != nil {
			return nil, err
		}
		file := newFile(errs, string(b), f.kind)
		files[name] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", pagePolicy)
			file.ServeHTTP(w, r)
		})
	}
	files[strings.TrimSuffix(pagePath, "/")] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "docs/") // whatever stands before it behind a proxy
		w.WriteHeader(http.StatusFound)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := files[r.URL.Path]; f != nil {
			f.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

// newFile serves a text; who has it already gets 304.
func newFile(errs *restErrors, text, kind string) http.Handler {
	sum := sha256.Sum256([]byte(text))
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			errs.notAllowed(w, r, "GET, HEAD")
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
}
