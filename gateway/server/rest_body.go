package server

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

// maxStrange is the longest body that is read of a sender who is not known. It is
// that of a header: longer ones from as many connections as he likes would fill
// the memory before the services refuse him.
const maxStrange = 16 << 10

// boundedBody reads the whole body, of at most maxRequest bytes, before anything
// is decided by it. JSON is read as JSON; so is a body without a content type,
// and one with that of a form, which is what curl says of any body. Of a stranger
// it leaves what is longer than maxStrange, or has no length, where it is: the
// services refuse him by his name alone. It has its own time because http.Server's
// bound would end streams, too.
func boundedBody(errs *restErrors, known func(*http.Request) bool, within time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.ContentLength < 0 || r.ContentLength > maxStrange) && !known(r) {
			w.Header().Set("Connection", "close") // else net/http reads on before it answers
			r.Body = http.NoBody
		}
		body, err := readBody(w, r, maxRequest, within)
		switch {
		case isTooLarge(err):
			errs.refuse(w, r, http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB", "请求体超过 1 MiB")
			return
		case err != nil:
			errs.refuse(w, r, http.StatusBadRequest, "the body could not be read", "请求体无法读取")
			return
		case len(body) > 0 && !readsAsJSON(r.Header.Values("Content-Type")):
			errs.refuse(w, r, http.StatusUnsupportedMediaType, "the body must be application/json", "请求体须为 application/json")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Header.Del("Content-Type") // there is but one kind from here on
		next.ServeHTTP(w, r)
	})
}

// readBody reads a bounded body within a bounded time. What comes after that is
// not waited for, neither by the answer nor by the next request: the connection
// ends with the answer.
func readBody(w http.ResponseWriter, r *http.Request, most int64, within time.Duration) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(within)) // not every writer has a connection
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		w.Header().Set("Connection", "close") // else net/http reads on before it answers
		return nil, err
	}
	_ = c.SetReadDeadline(time.Time{})
	return body, nil
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

func readsAsJSON(types []string) bool {
	switch len(types) {
	case 0:
		return true
	case 1:
	default:
		return false
	}
	kind, params, err := mime.ParseMediaType(types[0])
	if err != nil {
		return false
	}
	if c, ok := params["charset"]; ok && c != "utf-8" && c != "UTF-8" {
		return false
	}
	return kind == "application/json" || kind == "application/x-www-form-urlencoded"
}
