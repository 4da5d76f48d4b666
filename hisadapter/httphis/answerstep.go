package httphis

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// steps reads unwrap and checks that each step can follow the one before. has is
// what the first works on.
func (q *answerLoader) steps(n *yaml.Node, what, has string) []step {
	if n.Kind != yaml.SequenceNode {
		q.At(n, "%s: must be a list of steps", what)
		return []step{}
	}
	out := []step{}
	for _, e := range n.Content {
		s, ok := q.step(mapfile.Follow(e), what)
		if !ok {
			return append(out, s)
		}
		needs, gives := s.turns()
		if !slices.Contains(needs, has) {
			q.Add(s.line, "%s: %s works on %s, but there is %s here", what, s.do, strings.Join(needs, " or "), has)
		}
		has = gives
		out = append(out, s)
	}
	if has != "a document" {
		q.At(n, "%s: ends with %s; the last step must be xml, json, lenient_json or delimited", what, has)
	}
	return out
}

// turns is what a step works on and what it leaves.
func (s step) turns() (needs []string, gives string) {
	switch s.do {
	case "text":
		return []string{"a document"}, "text"
	case "outcome", "inside":
		return []string{"a document"}, "a document"
	case "base64", "hex":
		return []string{"bytes", "text"}, "bytes"
	case "decrypt":
		return []string{"bytes"}, "bytes"
	case "charset":
		return []string{"bytes"}, "text"
	default:
		return []string{"bytes", "text"}, "a document"
	}
}

func (q *answerLoader) step(n *yaml.Node, what string) (step, bool) {
	s := step{line: n.Line}
	plain := []string{"xml", "json", "lenient_json", "base64", "hex"}
	if n.Kind == yaml.ScalarNode {
		s.do = n.Value
		if !slices.Contains(plain, s.do) {
			q.At(n, "%s: no such step %q; there is %s, and with a value text, inside, delimited, decrypt, charset, outcome", what, s.do, strings.Join(plain, ", "))
			return s, false
		}
		return s, true
	}
	before := q.Count()
	set := func(do string, read func(n *yaml.Node)) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			if s.do != "" {
				q.At(n, "%s: one step an entry: write - before %s", what, do)
			}
			s.do = do
			read(n)
		}
	}
	q.Group(n, what, mapfile.Keys{
		"text": set("text", func(n *yaml.Node) {
			if p := q.path(n, what+": text"); p != nil {
				s.path = *p
			}
		}),
		"inside": set("inside", func(n *yaml.Node) {
			q.Group(n, what+": inside", mapfile.Keys{
				"at": func(n *yaml.Node) {
					if p := q.path(n, what+": inside: at"); p != nil {
						s.path = *p
					}
				},
				"unwrap": func(n *yaml.Node) { s.inner = q.steps(n, what+": inside: unwrap", "text") },
			})
			if !hasKey(n, "at") || len(s.inner) == 0 {
				q.At(n, "%s: inside: at and unwrap are needed", what)
			}
		}),
		"charset": set("charset", func(n *yaml.Node) { s.charset = charset(q.oneOf(n, what+": charset", charsetNames()...)) }),
		"outcome": set("outcome", func(n *yaml.Node) {
			if q.op == opMessage {
				q.At(n, "%s: outcome: a message has none; skip says which messages are about no change", what)
				return
			}
			s.rules = q.rules(n, what+": outcome", true)
		}),
		"delimited": set("delimited", func(n *yaml.Node) { s.layout = q.layout(n, what+": delimited") }),
		"decrypt":   set("decrypt", func(n *yaml.Node) { q.decrypt(n, what+": decrypt", &s) }),
	})
	return s, q.Count() == before && s.do != ""
}

func (q *answerLoader) layout(n *yaml.Node, what string) layout {
	out := layout{rows: "\n", columns: "|"}
	q.Group(n, what, mapfile.Keys{
		"rows":    func(n *yaml.Node) { out.rows, _ = q.text(n, what+": rows") },
		"columns": func(n *yaml.Node) { out.columns, _ = q.text(n, what+": columns") },
		"names":   func(n *yaml.Node) { out.names = q.texts(n, what+": names") },
		"ended":   func(n *yaml.Node) { out.ended = q.boolean(n, what+": ended") },
	})
	if out.rows == "" || out.columns == "" {
		q.At(n, "%s: rows and columns must not be empty", what)
	}
	for _, name := range out.names {
		if !isName(name) {
			q.At(n, "%s: names: %q is not a name (letters, digits, _)", what, name)
		}
	}
	return out
}

func (q *answerLoader) decrypt(n *yaml.Node, what string, s *step) {
	named := func(n *yaml.Node, key string) string {
		src, _ := q.text(n, what+": "+key)
		name := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(src, "{{"), "}}"))
		secret, ok := strings.CutPrefix(name, "secret.")
		if _, known := q.m.secrets[secret]; !ok || !known || src == name {
			q.At(n, "%s: %s: %q names no secret; write \"{{ secret.NAME }}\"", what, key, src)
		}
		return name
	}
	var cipher string
	q.Group(n, what, mapfile.Keys{
		"cipher": func(n *yaml.Node) { cipher = q.oneOf(n, what+": cipher", "aes_ecb", "aes_cbc") },
		"key":    func(n *yaml.Node) { s.key = named(n, "key") },
		"iv":     func(n *yaml.Node) { s.iv = named(n, "iv") },
	})
	if cipher == "" || s.key == "" || (cipher == "aes_cbc") != (s.iv != "") {
		q.At(n, "%s: cipher and key are needed, and an iv for aes_cbc alone", what)
	}
}
