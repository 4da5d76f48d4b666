package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// The pieces of YAML in the guides stand word for word in the
// example files that they name; one that names none is a piece of hisgate.yaml.
// Links within the repository lead somewhere.
func TestGuidesAreTrue(t *testing.T) {
	block := regexp.MustCompile("(?s)(?:<!-- (\\S+) -->\n)?```(?:yaml|sql)\n(.*?)```")
	link := regexp.MustCompile(`\]\(([^)#]+)`)
	for guide, least := range map[string]int{"his-adapters.md": 15, "his-adapters.zh-CN.md": 15, "stock-feed.md": 5, "stock-feed.zh-CN.md": 5} {
		text, err := os.ReadFile(filepath.Join("../../docs", guide))
		if err != nil {
			t.Fatal(err)
		}
		pieces := block.FindAllStringSubmatch(string(text), -1)
		if len(pieces) < least {
			t.Errorf("%s has only %d pieces of YAML", guide, len(pieces))
		}
		for _, p := range pieces {
			file, piece := p[1], p[2]
			if file == "" {
				at := func(int) string { return guide }
				if err := overlay(&Config{}, []byte(piece), guide, at, map[string]string{}); err != nil {
					t.Errorf("%s: %v", guide, err)
				}
				continue
			}
			example, err := os.ReadFile(filepath.Join("../..", file))
			if err != nil {
				t.Errorf("%s: %v", guide, err)
			} else if !strings.Contains(string(example), piece) {
				t.Errorf("%s: this does not stand in %s:\n%s", guide, file, piece)
			}
		}
		for _, l := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join("../../docs", l[1])); err != nil {
				t.Errorf("%s: %v", guide, err)
			}
		}
	}
}

// The signature that the guide of feeds shows is the one that hisgate wants.
func TestGuideSignsAPost(t *testing.T) {
	shown := regexp.MustCompile(`(?m)^key (.*?)   timestamp (.*?)   nonce (.*?)   body (.*)\n(sha256=.*)$`)
	for _, guide := range []string{"stock-feed.md", "stock-feed.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", guide))
		if err != nil {
			t.Fatal(err)
		}
		s := shown.FindStringSubmatch(string(text))
		if s == nil {
			t.Fatalf("%s shows none", guide)
		}
		if want := feed.Sign([]byte(s[1]), s[2], s[3], []byte(s[4])); s[5] != want {
			t.Errorf("%s shows %s, want %s", guide, s[5], want)
		}
	}
}

// What the guide shows of a mapping with mistakes in it is what hisgate says.
func TestGuideShowsTheFaultsOfAMapping(t *testing.T) {
	example, err := os.ReadFile("../../examples/his/soap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "his.yaml")
	wrong := strings.NewReplacer("not_expired:", "not_expire:", "refused stopped", "refused stoped").Replace(string(example))
	if err := os.WriteFile(file, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = httphis.Load(file)
	if err == nil {
		t.Fatal("the mistakes were not found")
	}
	said := strings.ReplaceAll(err.Error(), file, "his.yaml")
	for _, guide := range []string{"his-adapters.md", "his-adapters.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", guide))
		if err != nil {
			t.Fatal(err)
		}
		shown := regexp.MustCompile(`(?m)^(?:hisgate: )?(his\.yaml:.*)…$`).FindAllStringSubmatch(string(text), -1)
		if len(shown) != 2 {
			t.Errorf("%s shows %d faults", guide, len(shown))
		}
		for _, s := range shown {
			if !strings.Contains(said, s[1]) {
				t.Errorf("%s shows %q; hisgate says\n%s", guide, s[1], said)
			}
		}
	}
}
