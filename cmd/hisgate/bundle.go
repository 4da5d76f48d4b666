package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// bundleCmd gathers what a helper from outside needs to see.
type bundleCmd struct {
	configFlags `embed:""`
	serverFlags `embed:""`
	langFlags   `embed:""`
	Out         string `short:"o" required:"" placeholder:"FILE.zip" help:"The file to write; it must not be there yet."`
	Log         string `placeholder:"FILE" help:"A log of hisgate, of which the last lines go along, masked."`
	Lines       int    `default:"5000" help:"How many of them (${default})."`
}

// maxTail bounds what is read of a log, in bytes.
const maxTail = 32 << 20

// Run writes the bundle and says what is in it. What cannot be had is told in the
// place of it; that is no failure.
func (c *bundleCmd) Run(ctx context.Context) error {
	cfg, unloaded := c.load() // what was read of a bad one; the doctor says what is wrong with it
	pages := []page{
		{"version.txt", func() ([]byte, error) {
			return fmt.Appendf(nil, "hisgate %s\n%s/%s, %d CPUs\n%s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().Format(time.RFC3339)), nil
		}},
		{"config.txt", func() ([]byte, error) { return shownConfig(cfg), unloaded }},
		{"doctor.txt", func() ([]byte, error) { return c.doctored(ctx) }},
		{"readyz.json", func() ([]byte, error) { return fetchOps(ctx, cfg.Listen.Ops, "/readyz") }},
		{"metrics.txt", func() ([]byte, error) { return fetchOps(ctx, cfg.Listen.Ops, "/metrics") }},
		{"guard.json", func() ([]byte, error) { return c.guard(ctx, cfg) }},
	}
	if c.Log != "" {
		pages = append(pages, page{"log.txt", func() ([]byte, error) { return lastLines(c.Log, c.Lines) }})
	}
	keys := keysOf(cfg)
	if token := firstLine(c.TokenFile); token != "" {
		_, bare, _ := strings.Cut(token, "_")
		keys = append(keys, token)
		if len(bare) >= leastKey {
			keys = append(keys, bare)
		}
	}
	b, err := bundled(pages, keys)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nobody("--out: %w", err)
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close(), os.Remove(c.Out))
	}
	if err := f.Close(); err != nil {
		return err
	}
	fmt.Printf(c.say("已写入 %s；已遮盖密钥、令牌、openid、姓名、电话、证件号。交出前请自己再看一眼。\n",
		"%s is written; keys, tokens, openids, names, telephone and identity numbers are masked. Look through it before you hand it out.\n"), c.Out)
	return nil
}

// page is one file of a bundle.
type page struct {
	name string
	read func() ([]byte, error)
}

// bundled is the pages as a .zip, masked, and without the keys given.
func bundled(pages []page, keys []string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range pages {
		text, err := p.read()
		if err != nil {
			text = fmt.Appendf(text, "\nnot to be had: %v\n", err)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate, Modified: time.Now()})
		if err != nil {
			return nil, err
		}
		clean := string(text)
		for _, k := range keys {
			clean = strings.ReplaceAll(clean, k, "[key]")
		}
		if _, err := io.WriteString(w, masked(clean)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// keysOf are the texts of the key files, line by line, so that one which stands
// in a log for whatever reason does not leave the house.
func keysOf(c Config) []string {
	var out []string
	for _, file := range c.secretFiles() {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it is not there, so it cannot leave
		}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "-----") {
				continue
			}
			out = append(out, line)
			if _, after, ok := strings.Cut(line, ":"); ok { // name:password, Header: value
				out = append(out, strings.TrimSpace(after))
			}
			if u, err := url.Parse(line); err == nil { // a robot's key goes without its address, too
				for _, values := range u.Query() {
					out = append(out, values...)
				}
			}
		}
	}
	out = append(out, secretsOfHIS(c.HIS)...)
	for _, f := range c.Feeds {
		if m, err := httphis.LoadChanges(f.MappingFile); err == nil {
			out = append(out, m.Secrets()...)
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return len(s) < leastKey })
	// The longest first, lest a part of one be taken and the rest stand.
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// leastKey is the length of a text from which on it is taken out wherever it
// stands: a shorter one stands everywhere.
const leastKey = 4

// secretsOfHIS are those that the mapping file names.
func secretsOfHIS(c HIS) []string {
	switch c.Driver {
	case driverHTTP:
		if m, err := httphis.Load(c.MappingFile); err == nil {
			return m.Secrets()
		}
	case driverSQL:
		if m, err := sqlhis.Load(c.MappingFile); err == nil {
			return m.Secrets()
		}
	}
	return nil
}

// firstLine is that of a file; "" when there is none.
func firstLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(line, "\r")
}

func shownConfig(c Config) []byte {
	var b bytes.Buffer
	v := reflect.ValueOf(c)
	for _, s := range settingsOf(v.Type(), "") {
		fmt.Fprintf(&b, "%s: %s\n", s.Path, lookup(v, s.Path))
	}
	return b.Bytes()
}

func (c *bundleCmd) doctored(ctx context.Context) ([]byte, error) {
	d := &doctor{outputFlags: outputFlags{langFlags: c.langFlags}}
	d.examine(ctx, c.configFlags)
	var b bytes.Buffer
	err := d.print(&b)
	return b.Bytes(), err
}

// guard asks the running server how it stands with the HIS.
func (c *bundleCmd) guard(ctx context.Context, cfg Config) ([]byte, error) {
	to := c.serverFlags
	if to.Server == defaultServer {
		to.Server = local(cfg.Listen.GRPC)
	}
	var out []byte
	err := to.ask(ctx, answerTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) error {
		s, err := ops.GetGuardState(ctx, &hisgatev1.GetGuardStateRequest{})
		if err != nil {
			return c.failed(to.Server, err)
		}
		out, err = jsonForm.Marshal(s)
		return err
	})
	return out, err
}

// lastLines reads the end of a file.
func lastLines(file string, n int) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-maxTail)
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := readAtMost(f, maxTail)
	if err != nil {
		return nil, err
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	if from > 0 && len(lines) > 1 {
		lines = lines[1:] // the first is cut, and a cut key cannot be told
	}
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return bytes.Join(lines[max(0, len(lines)-max(0, n)):], nil), nil
}
