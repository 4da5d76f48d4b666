package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/internal/testca"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// overHTTP is the collector behind HTTP, for spans that are posted to a path.
func (o *otlp) overHTTP(path string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := &collector.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(body, request)
		}
		if err == nil {
			md := metadata.MD{}
			for name, values := range r.Header {
				md.Set(name, values...)
			}
			_, err = o.Export(metadata.NewIncomingContext(r.Context(), md), request)
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusUnauthorized)
		}
	})
	return mux
}

// newSecureOTLP is a collector behind TLS, over gRPC and over HTTP below /in.
func newSecureOTLP(t *testing.T, ca *testca.Authority) (o *otlp, overHTTP string) {
	t.Helper()
	cert := &tls.Config{Certificates: []tls.Certificate{ca.Pair("collector", time.Hour)}}
	o = newOTLP(t, nil, grpc.Creds(credentials.NewTLS(cert)))
	srv := httptest.NewUnstartedServer(o.overHTTP("/in/v1/traces"))
	srv.TLS, srv.Config.ErrorLog = cert, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return o, srv.URL + "/in"
}

// Spans reach a collector over gRPC and HTTP, plain and by TLS of an authority of
// the site, with the headers of the setting, whatever the environment says of
// exporters.
func TestSpansReachTheCollectorOfTheSetting(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/elsewhere", "OTEL_EXPORTER_OTLP_INSECURE": "true",
		"OTEL_EXPORTER_OTLP_HEADERS": "x-collector-token=of-the-environment", "OTEL_TRACES_SAMPLER": "always_off",
	} {
		t.Setenv(name, value)
	}
	ca := testca.New(t, "authority of the site")
	for name, to := range map[string]func() (o *otlp, endpoint string){
		"grpc":  func() (*otlp, string) { o := newOTLP(t, nil); return o, "grpc://" + o.addr },
		"grpcs": func() (*otlp, string) { o, _ := newSecureOTLP(t, ca); return o, "grpcs://" + o.addr },
		"https": func() (*otlp, string) { return newSecureOTLP(t, ca) },
		"http": func() (*otlp, string) {
			o := &otlp{}
			srv := httptest.NewServer(o.overHTTP("/v1/traces"))
			t.Cleanup(srv.Close)
			return o, srv.URL
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, endpoint := to()
			w := newWorld(t, false)
			w.cfg.Tracing = Tracing{
				Endpoint: endpoint, Sample: 1, ServiceName: "hisgate",
				CAFile: w.put("ca.pem", ca.PEM), HeadersFile: w.put("headers", []byte("x-collector-token: tok-1\n")),
			}
			w.shelve("D1", 10)
			p, log := w.openOnce()
			a := api{t: t, base: "http://" + p.HTTPAddr}
			a.get("/v1/stock/D1?pharmacy_id=" + simhis.DemoPharmacy)
			closing, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := p.Close(closing); err != nil {
				t.Fatal(err)
			}
			if got := o.paths(""); !slices.Contains(got, "GET /v1/stock/{drug_id}") {
				t.Errorf("%q came", got)
			}
			if got := o.headers.Get("x-collector-token"); len(got) != 1 || got[0] != "tok-1" {
				t.Errorf("with the headers %v", o.headers)
			}
			if sent, refused, dropped := p.tracing.figures(); sent == 0 || refused+dropped > 0 {
				t.Errorf("%d sent, %d refused, %d dropped", sent, refused, dropped)
			}
			keepsSecrets(t, "the log", log.String(), "tok-1", "spans are lost")
		})
	}
}

// A collector that refuses us, is away, or is not who it should be, costs no call
// anything, and is neither in health nor in the errors of callers: figures and one
// line of the log say so, in no words of its own; another line says that it is over.
func TestACollectorThatDoesNotTakeSpans(t *testing.T) {
	t.Parallel()
	stranger := testca.New(t, "somebody else")
	secure, secureHTTP := newSecureOTLP(t, stranger)
	known := newOTLP(t, nil)
	known.refuse.Store(true)
	knownHTTP := httptest.NewServer(known.overHTTP("/v1/traces"))
	defer knownHTTP.Close()
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("x-collector-token: tok-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		endpoint, why string
		mends         bool
	}{
		"grpc refuses":            {"grpc://" + known.addr, "Unauthenticated", true},
		"http refuses":            {knownHTTP.URL, "refused", true},
		"grpc is away":            {"grpc://127.0.0.1:9", "Unavailable", false},
		"http is away":            {"http://127.0.0.1:9", "no connection", false},
		"http has no such path":   {knownHTTP.URL + "/elsewhere", "refused", false},
		"grpcs is somebody else":  {"grpcs://" + secure.addr, "Unavailable", false},
		"https is somebody else":  {secureHTTP, "its certificate", false},
		"https where there is no": {strings.Replace(knownHTTP.URL, "http:", "https:", 1), "", false},
	} {
		h := openHouse(t, false, func(cfg *Config, _ *settings) {
			cfg.Tracing = Tracing{Endpoint: c.endpoint, Sample: 1, ServiceName: "hisgate", HeadersFile: headers}
		})
		h.shelve("D1", 10)
		flushed := func(result string) {
			t.Helper()
			h.get("/v1/stock/D1?pharmacy_id=HLWYF").into(t, &hisgatev1.Stock{})
			eventually(t, name+": spans are "+result, func() error {
				if err := h.program.tracing.provider.ForceFlush(t.Context()); err != nil {
					return err
				}
				if !regexp.MustCompile(`hisgate_trace_spans_total\{result="` + result + `"\} [1-9]`).MatchString(h.metrics(t)) {
					return errors.New("no figure says so")
				}
				return nil
			})
		}
		flushed("refused")
		flushed("refused")
		log := h.log.String()
		if n := strings.Count(log, "spans are lost"); n != 1 || !strings.Contains(log, `"why":"`+c.why) {
			t.Errorf("%s: %d lines of the log, want one that says %q:\n%s", name, n, c.why, log)
		}
		keepsSecrets(t, name+": the log", log, "tok-1")
		if all := strings.Join(h.ready(t).Reasons, "; "); strings.Contains(all, "trac") || strings.Contains(all, "collector") {
			t.Errorf("%s: health complains: %s", name, all)
		}
		if c.mends {
			known.refuse.Store(false)
			flushed("sent")
			if !strings.Contains(h.log.String(), "takes spans again") {
				t.Errorf("%s: nobody says that it is over:\n%s", name, h.log)
			}
			known.refuse.Store(true)
		}
	}
}

// metrics is the page of them.
func (h *house) metrics(t *testing.T) string {
	t.Helper()
	return string(api{t: t, base: "http://" + h.program.OpsAddr}.get("/metrics").body)
}

// A collector that hangs costs no call anything: calls go on, spans beyond the
// queue are counted as dropped, and the process ends.
func TestACollectorThatHangsCostsNoCall(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false, func(c *Config, _ *settings) {
		c.Tracing = Tracing{Endpoint: "grpc://" + newOTLP(t, make(chan struct{})).addr, Sample: 1, ServiceName: "hisgate"}
	})
	h.shelve("D1", 10)
	for range 3 * spansWaiting / 2 {
		if _, err := h.stock.GetStock(t.Context(), &hisgatev1.GetStockRequest{PharmacyId: simhis.DemoPharmacy, DrugId: "D1"}); err != nil {
			t.Fatal(err)
		}
	}
	if !regexp.MustCompile(`hisgate_trace_spans_total\{result="(dropped|refused)"\} [1-9]`).MatchString(h.metrics(t)) {
		t.Error("no figure says that spans are lost")
	}
	if n := h.program.tracing.spans.waiting.Load(); n > spansWaiting {
		t.Errorf("%d spans wait", n)
	}
}
