package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

const (
	idleConnections = 10_000
	slowConnections = 500
	// spareFiles of a process are for everything else that it has open.
	spareFiles = 2000
)

// Ten thousand clients that connect and do nothing, half of them over gRPC, and
// five hundred that send their header byte by byte, do no harm: others get their
// answers, and the slow ones are hung up on. hisgate is a process of its own, so
// that each side needs one file for a connection.
func TestTenThousandIdleConnectionsHarmNobody(t *testing.T) {
	w := newWorld(t, true)
	w.shelve("D1", 10)
	p := w.start()
	rest := strings.TrimPrefix(p.base, "http://")
	idle := min(idleConnections, openFiles(t)-slowConnections-spareFiles)
	if idle < idleConnections {
		t.Logf("only %d idle connections: this process may not open more files", idle)
	}
	before := p.figures(t)

	conns := make([]net.Conn, 0, idle+slowConnections)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	open := func(n int, addr string, greet func(net.Conn) error) {
		t.Helper()
		fresh := make([]net.Conn, n)
		var wg sync.WaitGroup
		failed := make(chan error, n)
		for part := range 8 {
			wg.Go(func() {
				for i := part; i < n; i += 8 {
					c, err := net.DialTimeout("tcp", addr, patience)
					if err == nil {
						fresh[i] = c
						err = errors.Join(c.SetDeadline(time.Now().Add(10*time.Minute)), greet(c))
					}
					if err != nil {
						failed <- err
						return
					}
				}
			})
		}
		wg.Wait()
		for _, c := range fresh {
			if c != nil {
				conns = append(conns, c)
			}
		}
		select {
		case err := <-failed:
			t.Fatal(err)
		default:
		}
	}
	open(idle/2, rest, func(c net.Conn) error { // has been answered once
		if _, err := io.WriteString(c, "GET /v1/nothing HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
	open(idle-idle/2, p.grpc, func(c net.Conn) error { // has shaken hands
		if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
			return err
		}
		f := http2.NewFramer(c, c)
		if err := errors.Join(f.WriteSettings(), f.WriteSettingsAck()); err != nil {
			return err
		}
		_, err := f.ReadFrame()
		return err
	})
	slow := len(conns)
	open(slowConnections, rest, func(c net.Conn) error {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nX-Slow: ")
		return err
	})

	for i := range 20 {
		no := fmt.Sprintf("IDLE-%d", i)
		p.post("/v1/locks", lockJSON(no, "D1", 1, "60s")).lock(t)
		p.post("/v1/locks/"+no+":release", `{}`).lock(t)
		if err := readStock(t, p.grpc); err != nil {
			t.Fatalf("over gRPC: %v", err)
		}
	}
	for _, c := range conns[slow:] {
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("a slow one is still there: %v", err)
		}
	}
	after := p.figures(t)
	t.Logf("%d idle connections: %.0f MiB and %.0f goroutines more", idle,
		(after["process_resident_memory_bytes"]-before["process_resident_memory_bytes"])/(1<<20), after["go_goroutines"]-before["go_goroutines"])
	w.audit(p.api)
}

// readStock reads over a connection of its own.
func readStock(t *testing.T, addr string) error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = hisgatev1.NewStockServiceClient(conn).GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: simhis.DemoPharmacy, DrugId: "D1"})
	if err != nil {
		return status.Convert(err).Err()
	}
	return nil
}

// figures reads the metrics of a process.
func (p *process) figures(t *testing.T) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for line := range strings.Lines(string((api{t: t, base: p.ops}).get("/metrics").body)) {
		var name string
		var value float64
		if n, _ := fmt.Sscanf(line, "%s %g", &name, &value); n == 2 {
			out[name] = value
		}
	}
	return out
}

// openFiles is how many files this process may have open, and so may hisgate, which
// it starts.
func openFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Cur, 1<<20))
}
