package httphis_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/internal/testca"
)

// serve starts a HIS and a driver for it.
func serve(t *testing.T, top string, h http.HandlerFunc) (*httphis.Driver, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return open(t, aboutOrder(plainOrder, "", "TOP", top), httphis.Options{BaseURL: s.URL}), s
}

func place(ctx context.Context, d *httphis.Driver) error {
	_, err := d.Call(ctx, httphis.OpPlaceOrder, order(nil))
	return err
}

// [C2] A write goes out once: no redirect is followed, and no connection that
// dies makes net/http send it again, whatever the method.
func TestAWriteIsSentOnce(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "GET"} {
		t.Run(method+" redirected", func(t *testing.T) {
			var calls atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			}))
			defer s.Close()
			d := open(t, aboutOrder("method: "+method+"\n"+plainOrder, ""), httphis.Options{BaseURL: s.URL})
			wantOutcome(t, place(t.Context(), d), hisadapter.Unknown)
			if calls.Load() != 1 {
				t.Errorf("%d calls", calls.Load())
			}
		})
		t.Run(method+" on a connection that dies", func(t *testing.T) {
			var calls atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls.Add(1)%2 == 1 {
					io.WriteString(w, `{"code":"0"}`)
					return
				}
				panic(http.ErrAbortHandler) // the connection dies after the request came
			}))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			defer s.Close()
			d := open(t, aboutOrder("method: "+method+"\n"+plainOrder, ""), httphis.Options{BaseURL: s.URL})
			for i := range 6 {
				want := []hisadapter.Outcome{hisadapter.Done, hisadapter.Unknown}[i%2]
				wantOutcome(t, place(t.Context(), d), want)
			}
			if calls.Load() != 6 {
				t.Errorf("%d calls for 6 orders", calls.Load())
			}
		})
	}
}

func TestWhatNeverLeftIsNotSent(t *testing.T) {
	d, s := serve(t, "", func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	s.Close()
	wantOutcome(t, place(t.Context(), d), hisadapter.NotSent)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	wantOutcome(t, place(over, d), hisadapter.NotSent)

	// A certificate that nobody vouches for.
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	d = open(t, aboutOrder(plainOrder, ""), httphis.Options{BaseURL: secure.URL})
	wantOutcome(t, place(t.Context(), d), hisadapter.NotSent)
}

// An answer has bounds: bytes, and the caller's time.
func TestAnswersAreBounded(t *testing.T) {
	good := `{"code":"0","x":"` + strings.Repeat("x", 2000) + `"}`
	gone := make(chan struct{})
	for name, tc := range map[string]struct {
		write func(w http.ResponseWriter, r *http.Request)
		want  hisadapter.Outcome
	}{
		"within": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, good) }, hisadapter.Done},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for chunk := bytes.Repeat([]byte(" "), 1<<16); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, hisadapter.Unknown},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)+1))
			io.WriteString(w, good)
		}, hisadapter.Unknown},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then the server notices who leaves
			io.WriteString(w, good[:20])
			w.(http.Flusher).Flush()
			close(gone)
			<-r.Context().Done()
		}, hisadapter.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(tc.write))
			defer s.Close()
			m := strings.Replace(aboutOrder(plainOrder, ""), "charset: utf-8", "charset: utf-8, answer_max: 4096", 1)
			d := open(t, m, httphis.Options{BaseURL: s.URL})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if name == "slow" {
				go func() {
					<-gone
					cancel()
				}()
			}
			err := place(ctx, d)
			wantOutcome(t, err, tc.want)
			if name == "slow" && !errors.Is(err, context.Canceled) {
				t.Errorf("%v does not say that the caller gave up", err)
			}
		})
	}
}

func TestForwardProxyIsUsedOnlyBySetting(t *testing.T) {
	var seen atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL.String())
		io.WriteString(w, `{"code":"0"}`)
	}))
	defer proxy.Close()
	m := strings.Replace(aboutOrder(plainOrder, ""), "charset: utf-8", "charset: utf-8, proxy: "+proxy.URL, 1)
	d := open(t, m, httphis.Options{})
	wantOutcome(t, place(t.Context(), d), hisadapter.Done)
	if got := seen.Load(); got != "http://his.example/api" {
		t.Errorf("the proxy was asked for %v", got)
	}
	t.Setenv("HTTP_PROXY", proxy.URL)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	d = open(t, aboutOrder(plainOrder, ""), httphis.Options{BaseURL: "http://" + l.Addr().String()})
	wantOutcome(t, place(t.Context(), d), hisadapter.NotSent)
}

// A HIS with TLS 1.0 and a cipher of its time is spoken to only when the mapping
// says so, and it is told at each start.
func TestLegacyTLSBySetting(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"code":"0"}`) }))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for settings, want := range map[string]hisadapter.Outcome{
		"ca_file: " + ca:             hisadapter.NotSent,
		"min: '1.0', ca_file: " + ca: hisadapter.NotSent,
		"min: '1.0', ciphers: [TLS_RSA_WITH_AES_128_CBC_SHA], ca_file: " + ca:              hisadapter.Done,
		"min: '1.0', ciphers: [TLS_RSA_WITH_AES_128_CBC_SHA], insecure_skip_verify: true":  hisadapter.Done,
		"min: '1.0', ciphers: [TLS_RSA_WITH_AES_128_CBC_SHA], insecure_skip_verify: false": hisadapter.NotSent,
	} {
		mapping := strings.Replace(aboutOrder(plainOrder, ""), "charset: utf-8", "tls: {"+settings+"}", 1)
		m, err := load(t, mapping, nil)
		if err != nil {
			t.Fatal(err)
		}
		if warned := len(m.Warnings()) > 0; warned != strings.Contains(settings, "1.0") {
			t.Errorf("%s: warnings %q", settings, m.Warnings())
		}
		wantOutcome(t, place(t.Context(), open(t, mapping, httphis.Options{BaseURL: s.URL})), want)
	}
}

// So has the work of reading one: a path may take the square of an answer's rows.
func TestReadingAnAnswerIsBounded(t *testing.T) {
	rows := strings.Repeat(`{"dm":"A","sl":1},`, 30_000)
	a := &answers{give: func(int, string) string { return `{"code":"0","rows":[` + rows + `{"dm":"A","sl":1}]}` }}
	mapping := stockMapping("", `lots: sum, fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`)
	d := open(t, strings.Replace(mapping, "rows: /rows/item", "rows: '/rows/item[position()>1]'", 1), httphis.Options{Transport: a})
	_, err := d.QueryStock(t.Context(), keysOf("P", "A"))
	e := wantOutcome(t, err, hisadapter.Unknown)
	if !strings.Contains(e.Error(), "takes too long") {
		t.Errorf("it is unknown because of %v", e)
	}
	d = open(t, strings.Replace(mapping, "rows: /rows/item", "rows: '/rows/item[1]/following-sibling::item'", 1), httphis.Options{Transport: a})
	got, err := d.QueryStock(t.Context(), keysOf("P", "A"))
	if err != nil || got[0].OnHand != 30_000 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A HIS that demands to know who calls is shown the certificate of the mapping.
func TestClientCertificate(t *testing.T) {
	cert, key := testca.New(t, "hospital").Issue("hisgate", time.Hour)
	var caller atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller.Store(r.TLS.PeerCertificates[0].Subject.CommonName)
		io.WriteString(w, `{"code":"0"}`)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	files := map[string]string{"ca.pem": string(ca), "c.pem": string(cert), "k.pem": string(key)}
	with := func(tls string) string {
		return strings.Replace(aboutOrder(plainOrder, ""), "charset: utf-8", "charset: utf-8, tls: {ca_file: ca.pem"+tls+"}", 1)
	}
	call := func(mapping string) error {
		m, err := load(t, mapping, files)
		if err != nil {
			t.Fatal(err)
		}
		d, err := httphis.New(m, hisadapter.Capabilities{BatchSize: 20}, httphis.Options{BaseURL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		return place(t.Context(), d)
	}
	wantOutcome(t, call(with(", cert_file: c.pem, key_file: k.pem")), hisadapter.Done)
	if caller.Load() != "hisgate" {
		t.Errorf("the HIS saw %v", caller.Load())
	}
	// In TLS 1.3 the server's refusal comes after the request may have left.
	if got := hisadapter.OutcomeOf(call(with(""))); got != hisadapter.Unknown && got != hisadapter.NotSent {
		t.Errorf("without it: %v", got)
	}
	_, err := load(t, with(", cert_file: c.pem, key_file: ca.pem"), files)
	if err == nil || !strings.Contains(err.Error(), "cert_file and key_file") {
		t.Errorf("a key that is none was taken: %v", err)
	}
}

// TestHeadersOfACallAreAdded: what belongs to the context of a call goes with its
// request, and without the option nothing does.
func TestHeadersOfACallAreAdded(t *testing.T) {
	type key struct{}
	for name, header := range map[string]func(context.Context, http.Header){
		"added": func(ctx context.Context, h http.Header) { h.Set("Traceparent", ctx.Value(key{}).(string)) },
		"not":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			var sent http.Header
			d := open(t, stockMapping("", `fields: {drug_id: dm, on_hand: sl, ratio: {fixed: "1"}, name: mc}`), httphis.Options{
				Header: header,
				Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					sent = r.Header
					return nil, errors.New("nobody there")
				}),
			})
			_, err := d.QueryStock(context.WithValue(t.Context(), key{}, "of this call"), []hisadapter.Key{{PharmacyID: "P", DrugID: "A"}})
			wantOutcome(t, err, hisadapter.NotSent)
			if got := sent.Get("Traceparent"); (header != nil) != (got == "of this call") || header == nil && got != "" {
				t.Errorf("sent with traceparent %q", got)
			}
		})
	}
}
