package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/internal/testca"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func (w *world) put(name string, content []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// secured gives the world a server certificate of ca, believes clients of
// clientCA, and knows two callers: a desk by certificate, a shop by the token.
func (w *world) secured(ca, clientCA *testca.Authority, clientCert string) (token string) {
	cert, key := ca.Issue("hisgate", time.Hour)
	token, sum := access.NewToken()
	w.cfg.TLS = TLS{
		CertFile: w.put("tls.crt", cert), KeyFile: w.put("tls.key", key), Min: "1.2",
		ClientCAFile: w.put("clients.crt", clientCA.PEM), ClientCert: clientCert,
	}
	w.cfg.Auth.CallersFile = w.put("callers.yaml", fmt.Appendf(nil,
		"- {name: desk, certificate: desk, roles: [operator, reader]}\n- {name: shop, token_sha256: %s, roles: [reader]}\n", sum))
	return token
}

// read asks for stock over REST and returns the status, or the error of the
// connection.
func read(t *testing.T, addr string, c *tls.Config, token string) (int, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c}, Timeout: patience}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/v1/stock/D1?pharmacy_id="+simhis.DemoPharmacy, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, nil
}

// readGRPC does the same over gRPC.
func readGRPC(t *testing.T, addr string, c *tls.Config) codes.Code {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(credentials.NewTLS(c)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = hisgatev1.NewStockServiceClient(conn).GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: simhis.DemoPharmacy, DrugId: "D1"})
	return status.Code(err)
}

func TestCertificatesAndTokensOverTLS(t *testing.T) {
	t.Parallel()
	ca, strangers := testca.New(t, "hospital"), testca.New(t, "strangers")
	for _, need := range []string{"optional", "required"} {
		t.Run(need, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.shelve("D1", 10)
			token := w.secured(ca, ca, need)
			p := w.open().program
			for _, tt := range []struct {
				name  string
				mine  []tls.Certificate
				token string
				rest  int // 0 = no connection
			}{
				{"certificate", []tls.Certificate{ca.Pair("desk", time.Hour)}, "", 200},
				{"certificate that is not listed", []tls.Certificate{ca.Pair("nobody", time.Hour)}, "", 401},
				// A client does not show what the server does not ask for.
				{"certificate of strangers", []tls.Certificate{strangers.Pair("desk", time.Hour)}, "", map[string]int{"optional": 401}[need]},
				{"expired certificate", []tls.Certificate{ca.Pair("desk", -time.Minute)}, "", 0},
				{"token alone", nil, token, map[string]int{"optional": 200}[need]},
				{"nothing", nil, "", map[string]int{"optional": 401}[need]},
				{"bad token with a good certificate", []tls.Certificate{ca.Pair("desk", time.Hour)}, token + "x", 401},
			} {
				got, err := read(t, p.HTTPAddr, ca.Trusts(tt.mine...), tt.token)
				if got != tt.rest || (err != nil) != (tt.rest == 0) {
					t.Errorf("%s: %d, %v", tt.name, got, err)
				}
				if tt.token != "" {
					continue
				}
				want := map[int]codes.Code{200: codes.OK, 401: codes.Unauthenticated, 0: codes.Unavailable}[tt.rest]
				if got := readGRPC(t, p.GRPCAddr, ca.Trusts(tt.mine...)); got != want {
					t.Errorf("%s over gRPC: %s", tt.name, got)
				}
			}
			if _, err := read(t, p.HTTPAddr, strangers.Trusts(), token); err == nil {
				t.Error("a client that does not believe the certificate got an answer")
			}
			old := ca.Trusts(ca.Pair("desk", time.Hour))
			old.MaxVersion = tls.VersionTLS11
			old.MinVersion = tls.VersionTLS10
			if _, err := read(t, p.HTTPAddr, old, ""); err == nil {
				t.Error("TLS 1.1 is spoken")
			}
		})
	}
}

// A process is told to read again: a new certificate and a new list of callers
// count at once, connections stay, a list that is broken changes nothing, and the
// log's level follows the configuration.
func TestSIGHUPReadsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	ca, next := testca.New(t, "hospital"), testca.New(t, "next")
	token := w.secured(ca, ca, "optional")
	p := w.run(command(t, quickName, "-c", w.writeConfig()))
	addr := strings.TrimPrefix(p.base, "http://")

	conn, err := grpc.NewClient("passthrough:///"+p.grpc, grpc.WithTransportCredentials(credentials.NewTLS(ca.Trusts(ca.Pair("desk", time.Hour)))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := hisgatev1.NewStockServiceClient(conn).WatchStock(t.Context(), &hisgatev1.WatchStockRequest{PharmacyId: simhis.DemoPharmacy, DrugIds: []string{"D1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	asShop := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	shops, err := hisgatev1.NewStockServiceClient(conn).WatchStock(asShop, &hisgatev1.WatchStockRequest{PharmacyId: simhis.DemoPharmacy, DrugIds: []string{"D1"}})
	if err == nil {
		_, err = shops.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	hangUp := func(says string) {
		t.Helper()
		before := strings.Count(p.log.String(), says)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the log says "+says, func() error {
			if strings.Count(p.log.String(), says) == before {
				return fmt.Errorf("not yet")
			}
			return nil
		})
	}

	w.put("callers.yaml", []byte("- {name: shop, roles: [reader"))
	hangUp("what was known before goes on to count")
	if got, err := read(t, addr, ca.Trusts(), token); got != 200 {
		t.Fatalf("after a broken list: %d, %v", got, err)
	}

	config := w.writeConfig()
	whole, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(whole, "\ncahce: {max_age: 1s}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp("the configuration was not read again")
	if !strings.Contains(p.log.String(), "cahce: no such setting") {
		t.Error("what is wrong with the configuration is not said")
	}

	cert, key := next.Issue("hisgate", time.Hour)
	w.put("tls.crt", cert)
	w.put("tls.key", key)
	w.put("callers.yaml", []byte("- {name: desk, certificate: desk, roles: [reader]}\n"))
	w.cfg.Cache.MaxAge = 7 * time.Second
	w.cfg.Cache.MaxStale = time.Minute
	w.writeConfig()
	hangUp("these settings have changed and count from the next start")
	if !strings.Contains(p.log.String(), "cache.max_age") {
		t.Error("what has changed is not named")
	}
	if _, err := read(t, addr, ca.Trusts(), token); err == nil {
		t.Error("the old certificate is still shown")
	}
	if got, err := read(t, addr, next.Trusts(), token); got != 401 {
		t.Errorf("a token that was taken away: %d, %v", got, err)
	}
	if got, err := read(t, addr, next.Trusts(ca.Pair("desk", time.Hour)), ""); got != 200 {
		t.Errorf("a caller that stayed: %d, %v", got, err)
	}
	if _, err := shops.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the stream of a token that was taken away: %v", err)
	}
	w.shelve("D1", 9)
	if _, err := hisgatev1.NewStockServiceClient(conn).ReportStockChange(t.Context(), &hisgatev1.ReportStockChangeRequest{
		Changes: []*hisgatev1.StockChange{{PharmacyId: simhis.DemoPharmacy, DrugId: "D1"}},
	}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the old connection was cut, or goes on with roles that were taken away: %v", err)
	}
}

func TestNetworkAddressesNeedAuthenticationAndTLS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no authentication":     {func(c *Config) { c.Auth = Auth{} }, "no authentication configured"},
		"tokens in the clear":   {func(c *Config) { c.TLS = Default().TLS }, "in the clear"},
		"ops for all":           {func(c *Config) { c.Listen.Ops = "0.0.0.0:0" }, "listen.ops_open"},
		"half a pair":           {func(c *Config) { c.TLS.KeyFile = "" }, "belong together"},
		"certificates of whom?": {func(c *Config) { c.Auth.CallersFile = ""; c.Auth.JWT.KeysFile = c.TLS.CertFile }, "needs auth.callers_file"},
		"JWT of anybody":        {func(c *Config) { c.Auth.JWT.KeysFile = c.TLS.CertFile }, "auth.jwt.audience"},
		"all is well":           {func(*Config) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			ca := testca.New(t, "hospital")
			w.secured(ca, ca, "optional")
			w.cfg.Listen.GRPC, w.cfg.Listen.HTTP = "0.0.0.0:0", "[::]:0"
			tt.change(&w.cfg)
			err := w.cfg.Validate(nil)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Who changed what stands in a file of its own, refusals too, reads and strangers
// not; a file that was moved away is begun anew at SIGHUP.
func TestAuditFileTellsWhoDidWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 10)
	file := filepath.Join(w.dir, "audit.jsonl")
	token, sum := access.NewToken()
	w.cfg.Log.Audit = file
	w.cfg.Auth.CallersFile = w.put("callers.yaml", fmt.Appendf(nil, "- {name: shop, token_sha256: %s, roles: [locker]}\n", sum))
	h := w.open()
	post := func(path, body, token string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	post("/v1/locks", lockJSON("AUDIT-1", "D1", 3, "600s"), token)
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	h.program.secure.reload()
	post("/v1/stock:reportChange", `{"changes":[{"pharmacy_id":"HLWYF","drug_id":"D1"}]}`, token)
	post("/v1/locks/AUDIT-1:release", `{}`, token+"x")
	post("/v1/locks/AUDIT-1:release", `{}`, token)
	for _, tt := range []struct {
		file string
		want []string // parts of each line
	}{
		{file + ".1", []string{`"principal":"shop","method":"/hisgate.v1.LockService/Lock","code":"OK"` + `.*"order_no":"AUDIT-1"`}},
		{file, []string{
			`"method":"/hisgate.v1.StockService/ReportStockChange","code":"PermissionDenied".*"reason":"PERMISSION_DENIED"`,
			`"method":"/hisgate.v1.LockService/Release","code":"OK".*"order_no":"AUDIT-1"`,
		}},
	} {
		b, err := os.ReadFile(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if len(lines) != len(tt.want) {
			t.Fatalf("%s has %d lines:\n%s", tt.file, len(lines), b)
		}
		for i, want := range tt.want {
			if !regexp.MustCompile(want).MatchString(lines[i]) {
				t.Errorf("line %s, want %s", lines[i], want)
			}
		}
		if strings.Contains(string(b), token[3:]) {
			t.Error("the file holds the token")
		}
	}
}

// When the audit file takes no lines, calls go on, and the log says once that who
// did what is lost.
func TestAuditFileThatIsFullIsTold(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	h := openHouse(t, true, func(c *Config, _ *settings) { c.Log.Audit = "/dev/full" })
	h.shelve("D1", 10)
	for i := range 3 {
		h.post("/v1/locks", lockJSON(fmt.Sprint("FULL-", i), "D1", 1, "600s")).lock(t)
	}
	if n := strings.Count(h.log.String(), "the audit file takes no lines"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	h.program.secure.lines.path = filepath.Join(h.dir, "audit.jsonl") // room was made
	h.program.secure.reload()
	h.post("/v1/locks", lockJSON("FULL-3", "D1", 1, "600s")).lock(t)
	if !strings.Contains(h.log.String(), `"the audit file takes lines again","lost":3`) {
		t.Errorf("that lines are taken again is not told:\n%s", h.log.tail(5))
	}
}
