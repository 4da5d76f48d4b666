package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hisgate/hisgate/gateway/server"
)

// What strangers do by the hundred leaves a few lines of the log a minute, whatever
// it is: a log that grows with them would fill the disk.
func TestAFloodOfStrangersDoesNotFloodTheLog(t *testing.T) {
	const flood, most = 300, 2 * 60 // most: where a minute ends in between
	l := newListed(t, shopReads, time.Hour)
	for _, request := range [][3]string{{"GET", "/v1/nothing", ""}, {"POST", "/v1/locks", "<"}, {"PUT", "/v1/locks", ""}, {"GET", "/v1/%ff", ""}} {
		for range flood {
			if code, _, _ := l.call(t, request[0], request[1], request[2]); code < 400 || code >= 500 {
				t.Fatalf("%v: %d", request, code)
			}
		}
	}
	for range flood { // taken back before their message comes
		ctx, cancel := context.WithCancel(t.Context())
		s := l.silent(t, ctx, healthpb.Health_Check_FullMethodName)
		cancel()
		if err := s.RecvMsg(&healthpb.HealthCheckResponse{}); err == nil {
			t.Fatal("an answer")
		}
	}
	if n := strings.Count(l.log.String(), "\n") - strings.Count(l.log.String(), `"level":"DEBUG"`); n > most {
		t.Errorf("the log has %d lines; it ends %s", n, l.log.String()[len(l.log.String())-500:])
	}

	var lines logSink
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := server.NewHTTPServer(http.NotFoundHandler(), slog.New(slog.NewJSONHandler(&lines, nil)))
	srv.TLSConfig = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, net.ErrClosed }}
	go func() { _ = srv.ServeTLS(listener, "", "") }()
	defer srv.Close()
	for range flood {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "no TLS\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, c) // it is hung up on when the line was written
		c.Close()
	}
	if n := strings.Count(lines.String(), "\n"); n == 0 || n > most {
		t.Errorf("the log has %d lines of connections", n)
	}
}
