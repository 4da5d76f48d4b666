package server

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// openAPIPath is where the description of the REST side stands.
const openAPIPath = "/openapi.json"

// newOpenAPI serves the description; who has it gets 304.
func newOpenAPI(errs *restErrors) http.Handler {
	doc := hisgatev1.OpenAPI()
	sum := sha256.Sum256([]byte(doc))
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			errs.routing(r.Context(), nil, nil, w, r, http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(doc))
	})
}
