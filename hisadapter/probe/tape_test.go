package probe_test

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/tape"
)

// What a probe finds on a tape is what it found at the HIS, in each dialect; and
// the tape tells neither of the patient nor of any secret or signature.
func TestFindsTheSameOnTheTape(t *testing.T) {
	for name, s := range servers() {
		t.Run(name, func(t *testing.T) {
			h := s.open(t, s.caps)
			patient := "张三丰"
			h.options.Attributes = map[string]string{"patient_id": patient, "rx_no": "RX&2026"}
			h.options.MaxConcurrency = 0
			dir := filepath.Join(t.TempDir(), "tape")
			rec, err := tape.Record(dir, tape.Head{
				Begun: h.clock.now(), Seed: h.options.Seed, Pharmacy: h.options.PharmacyID, Drugs: h.options.DrugIDs, Attributes: h.options.Attributes,
			})
			if err != nil {
				t.Fatal(err)
			}
			signatures := map[string]bool{}
			h.record = func(x httphis.Exchange) {
				for _, s := range x.Signatures {
					signatures[s] = true
				}
				rec.HTTP(x)
			}
			live := h.probe(t, t.Context())
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
			hidden := []string{patient, "RX&2026", "RX&amp;2026"}
			for s := range signatures {
				hidden = append(hidden, s)
			}
			wantUntold(t, dir, hidden)

			player, err := tape.Play(dir)
			if err != nil {
				t.Fatal(err)
			}
			o := h.options
			o.Driver, err = httphis.New(h.mapping, h.offered, httphis.Options{Transport: player, Now: player.Now})
			if err != nil {
				t.Fatal(err)
			}
			o.Reach, o.Attributes, o.Now = nil, player.Head.Attributes, player.Now
			o.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
			h.options = o
			played := h.probe(t, t.Context())
			if a, b := live.Capabilities(), played.Capabilities(); a != b {
				t.Errorf("at the HIS %+v\non tape    %+v", a, b)
			}
			if n := player.Left(); n != 0 {
				t.Errorf("%d answers were not asked for", n)
			}
		})
	}
}

var mayBeBase64 = regexp.MustCompile(`(?:[A-Za-z0-9+/]|%2[BbFf]){8,}(?:=|%3[Dd]){0,2}`)

// wantUntold looks for words in the files of a folder, as they are, in GBK, and
// within base64.
func wantUntold(t *testing.T, dir string, words []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 10 {
		t.Fatalf("only %d files: %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all := string(text)
		for _, packed := range mayBeBase64.FindAllString(all, -1) {
			if b, err := base64.StdEncoding.DecodeString(strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(packed)); err == nil {
				all += "\x00" + string(b)
			}
		}
		for _, w := range words {
			gbk, err := simplifiedchinese.GBK.NewEncoder().String(w)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(all, w) || strings.Contains(all, gbk) {
				t.Errorf("%s tells %q:\n%s", filepath.Base(f), w, text)
			}
		}
	}
}
