package server

import (
	"net/http"
	"time"
)

// answerTime is how long a client may take for each piece of an answer, so that
// one that does not read keeps nobody who writes.
const answerTime = 30 * time.Second

// careful gives each answer its time, and each body, also one that nobody reads:
// net/http does, before it answers. A request with a body in chunks is the last of
// its connection: it may have carried a length as well, which net/http forgets and a
// proxy before us may have believed, and what it then took for the rest of the body
// we would take for the next request (RFC 9112, 6.3).
func careful(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		if r.Body != nil && r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(messageTime)) // who reads it has a time of his own
		}
		t := &timedWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		next.ServeHTTP(t, r)
		t.renew() // for what is written when the handler has returned
	})
}

// timedWriter gives each piece of an answer its time.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *timedWriter) renew() {
	_ = w.control.SetWriteDeadline(time.Now().Add(answerTime)) // not every writer has a connection
}

// Write implements http.ResponseWriter.
func (w *timedWriter) Write(b []byte) (int, error) {
	w.renew()
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (w *timedWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController flushes by.
func (w *timedWriter) FlushError() error {
	w.renew()
	return w.control.Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
