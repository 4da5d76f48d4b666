package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// curl does what a curl line of ours does: -s, -X, -d, one URL, and a pipe that
// is of no interest.
func curl(t *testing.T, line string) []byte {
	t.Helper()
	words := regexp.MustCompile(`'[^']*'|[^\s']+`).FindAllString(line, -1)
	method, data, url := http.MethodGet, "", ""
	for i := 1; i < len(words) && words[i] != "|"; i++ {
		switch words[i] {
		case "-s":
		case "-X":
			i++
			method = words[i]
		case "-d":
			i++
			method, data = http.MethodPost, strings.Trim(words[i], "'")
		default:
			url = strings.Trim(words[i], "'")
		}
	}
	if !strings.HasPrefix(url, "http://") {
		url = "http://" + url
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl says of any body
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s\nis answered %s (%v): %s", line, resp.Status, err, body)
	}
	return body
}

// curlLines are the curl lines of the code blocks of a document, in order.
func curlLines(doc string) []string {
	var lines []string
	for i, block := range strings.Split(doc, "```") {
		if i%2 == 0 {
			continue
		}
		whole := ""
		for line := range strings.Lines(block) {
			whole += line
			if strings.Count(whole, "'")%2 != 0 {
				continue // a text that goes on
			}
			if strings.HasPrefix(whole, "curl ") {
				lines = append(lines, strings.TrimSpace(whole))
			}
			whole = ""
		}
	}
	return lines
}

// The first conversation of each README works as it stands, but for the ports.
func TestREADMEsWork(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, err := os.ReadFile("../../" + name)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, false)
			a := w.run(command(t, "hisgate", "serve", "-c", w.writeConfig())).api
			ports := strings.NewReplacer("localhost:8080", a.base, "localhost:9480", w.sims.HISURL, "localhost:9481", w.sims.WeChatURL)
			lines := curlLines(string(doc))
			if len(lines) < 7 {
				t.Fatalf("%d curl lines: %q", len(lines), lines)
			}
			for _, line := range lines {
				curl(t, ports.Replace(line))
			}
			a.await("RX0002", hisgatev1.Order_FULFILLED)
			w.audit(a)
		})
	}
}

// hisgate sim writes what serve needs.
func TestSimAndServeFindEachOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	layKeys(t, dir)
	sim := command(t, "hisgate", "sim", "--dir", dir, "--his", "127.0.0.1:0", "--wechat", "127.0.0.1:0", "--freeze")
	out, err := sim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { // before the test's context ends, and the process with it
		sim.Process.Signal(syscall.SIGTERM)
		if err := sim.Wait(); err != nil {
			t.Errorf("sim ended with %v", err)
		}
	}()
	var said []string
	for lines := bufio.NewScanner(out); len(said) < 3 && lines.Scan(); {
		said = append(said, lines.Text())
	}
	wechat := regexp.MustCompile(`http://\S+`).FindString(said[1])
	w := &world{t: t, dir: dir, gate: newGate(t, http.NotFoundHandler(), http.NotFoundHandler())}
	p := w.run(command(t, "hisgate", "serve", "-c", dir+"/hisgate.yaml", "--set", "log.format=json",
		"--set", "listen.grpc=127.0.0.1:0", "--set", "listen.http=127.0.0.1:0", "--set", "listen.ops=127.0.0.1:0"))
	p.create("E2E-SIM", "RESERVE", "00040077", 2)
	curl(t, fmt.Sprintf(`curl -s %s/sim/pay -d '{"out_trade_no":"E2E-SIM"}'`, wechat))
	p.await("E2E-SIM", hisgatev1.Order_FULFILLED)
}

// The demo stays up, its curl lines work as they stand, and it leaves nothing
// behind.
func TestDemoStaysUpWithLinesThatWork(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	cmd := command(t, "hisgate", "demo", "--json", "--lang", "zh")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	story, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	result, lines := make(chan []byte, 1), make(chan string, 100)
	go func() {
		defer close(ended)
		read := make(chan struct{})
		go func() {
			defer close(read)
			b, _ := io.ReadAll(out)
			result <- b
		}()
		defer close(lines)
		for s := bufio.NewScanner(story); s.Scan(); {
			lines <- s.Text()
		}
		<-read
		err = cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	told, tried := "", 0
	for stop := false; !stop; {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the demo ended (%v):\n%s", err, told)
			}
			told += line + "\n"
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
				tried++
				if b := curl(t, line); !strings.Contains(line, "metrics") && !json.Valid(b) {
					t.Errorf("%s\nis answered %s", line, b)
				}
			}
			stop = strings.HasPrefix(line, "gRPC") // the last line
		case <-ctx.Done():
			t.Fatalf("the demo does not end its story:\n%s", told)
		}
	}
	if tried < 8 || !strings.Contains(told, "患者下单") {
		t.Errorf("%d curl lines in:\n%s", tried, told)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-ctx.Done():
		t.Fatal("the demo does not end")
	}
	if err != nil {
		t.Errorf("interrupted, the demo ended with %v", err)
	}
	if err := checkDemo(<-result); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v behind (%v)", left, err)
	}
}
