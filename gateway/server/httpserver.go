package server

import (
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hisgate/hisgate/internal/sparse"
)

// NewHTTPServer returns a server for one of the handlers, with all bounds set: on
// the header, and on each piece of an answer instead of the whole, since streams
// last. Bodies have their time where they are read. Errors of connections go to
// logger; nil is silent.
func NewHTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           careful(h),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       keepConn,
		// It would answer "OPTIONS *" past the handler, and wait for its body without end.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(&sparseLog{log: logger}, "", 0),
	}
}

// sparseLog is where an http.Server tells of connections, whatever becomes of them:
// handshakes that fail, above all.
type sparseLog struct {
	log   *slog.Logger
	lines sparse.Lines
}

// Write implements io.Writer.
func (s *sparseLog) Write(line []byte) (int, error) {
	if let, missing := s.lines.Let(time.Now()); let {
		var attrs []any
		if missing > 0 {
			attrs = append(attrs, "not_logged", missing)
		}
		s.log.Warn(strings.TrimSuffix(string(line), "\n"), attrs...)
	}
	return len(line), nil
}

// public sends callbacks to the webhook, posts of feeds to theirs, and everything
// else to REST. It is no http.ServeMux because that cleans paths, and an id may
// hold any character.
type public struct {
	rest, webhook http.Handler // no webhook: it has a listener of its own
	feeds         map[string]http.Handler
}

// ServeHTTP implements http.Handler.
func (p public) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.webhook != nil && strings.HasPrefix(r.URL.Path, "/wechat/") {
		p.webhook.ServeHTTP(w, r)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/v1/feeds/"); ok {
		if f := p.feeds[strings.TrimSuffix(name, "/webhook")]; f != nil && strings.HasSuffix(name, "/webhook") {
			f.ServeHTTP(w, r)
			return
		}
	}
	p.rest.ServeHTTP(w, r)
}
