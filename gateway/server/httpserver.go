package server

import (
	"log/slog"
	"net/http"
	"strings"
	"time"
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
		ErrorLog:                     slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
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
