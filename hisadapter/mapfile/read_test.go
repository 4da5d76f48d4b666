package mapfile_test

import (
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// read reads groups of a key, whose value must be small, and tells what is wrong.
func read(doc string) string {
	r := mapfile.Reader{File: "his.yaml", Operations: []string{"freeze", "unfreeze"}}
	small := func(what string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			r.Group(n, what, mapfile.Keys{"n": func(n *yaml.Node) {
				if len(n.Value) > 1 {
					r.At(n, "%s: n: %s is large, and its key stands in line %d", what, n.Value, r.KeyLine)
				}
			}})
		}
	}
	if n := r.Document([]byte(doc)); n != nil {
		r.Group(n, "mapping", mapfile.Keys{"freeze": small("freeze"), "unfreeze": small("unfreeze")})
	}
	if err := r.Err(); err != nil {
		return err.Error()
	}
	return ""
}

func TestEverythingIsToldOnceWithItsLine(t *testing.T) {
	for doc, want := range map[string]string{
		"":                                    "his.yaml: the file is empty",
		"freeze: \xff":                        "his.yaml: is not UTF-8; save it as UTF-8 (编码选 UTF-8)",
		"freeze: {n: 1}\nunfreeze: {}":        "",
		"- freeze":                            "his.yaml:1: mapping: must be a group of settings (name: value)",
		"freeze: &f {n:\n  22}\nunfreeze: *f": "his.yaml:2: freeze, unfreeze: n: 22 is large, and its key stands in line 1",
		"unfreeze: {m: 1}\nfreeze: {n: 1, n: 2}\nthaw: 3\nfreeze:": `his.yaml:1: unfreeze: no such key "m"; possible are n
his.yaml:2: freeze: n stands here twice
his.yaml:3: mapping: no such key "thaw"; possible are freeze, unfreeze
his.yaml:4: mapping: freeze has no value`,
	} {
		if got := read(doc); got != want {
			t.Errorf("%q: %s\nwant %s", doc, got, want)
		}
	}
}
