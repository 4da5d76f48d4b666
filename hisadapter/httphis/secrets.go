package httphis

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// secretSource is where a secret stands. The secret itself is never in the
// mapping.
type secretSource struct {
	line      int
	env, file string
	encoding  string // text, hex or base64
}

func (l *loader) secretSources(n *yaml.Node) {
	for _, p := range l.Pairs(n, "secrets") {
		what := "secrets: " + p.Key
		if !isName(p.Key) {
			l.Add(p.Line, "secrets: %q is not a name (letters, digits, _)", p.Key)
		}
		if p.Value.Kind != yaml.MappingNode {
			l.Add(p.Line, "%s: a secret does not stand in this file; write {file: …} or {env: …}", what)
			continue
		}
		s := secretSource{line: p.Line, encoding: "text"}
		l.Group(p.Value, what, mapfile.Keys{
			"env":      func(n *yaml.Node) { s.env, _ = l.text(n, what+": env") },
			"file":     func(n *yaml.Node) { s.file, _ = l.text(n, what+": file") },
			"encoding": func(n *yaml.Node) { s.encoding = l.oneOf(n, what+": encoding", "text", "hex", "base64") },
		})
		if (s.env == "") == (s.file == "") {
			l.Add(p.Line, "%s: one of file and env is needed", what)
		}
		l.m.secrets[p.Key] = s
	}
}

// secretValues reads all secrets. An error names the secret and its place,
// never a value.
func (m *Mapping) secretValues() (map[string]value, error) {
	bad := mapfile.Reader{File: m.file}
	out := map[string]value{}
	for name, s := range m.secrets {
		v, err := s.read(m)
		if err != nil {
			bad.Add(s.line, "secrets: %s: %v", name, err)
		}
		out["secret."+name] = v
	}
	return out, bad.Err()
}

// Secrets returns the secrets as they are written in their files and variables,
// for whoever takes them out of a text; those that cannot be read are left out.
func (m *Mapping) Secrets() []string {
	var out []string
	for _, s := range m.secrets {
		if raw, err := s.raw(m); err == nil {
			out = append(out, string(raw))
		}
	}
	return out
}

// raw reads a secret as it is written; it is not empty.
func (s secretSource) raw(m *Mapping) ([]byte, error) {
	var raw []byte
	if s.env != "" {
		v, ok := os.LookupEnv(s.env)
		if !ok {
			return nil, fmt.Errorf("environment %s is not set", s.env)
		}
		raw = []byte(v)
	} else {
		b, err := os.ReadFile(m.beside(s.file))
		if err != nil {
			return nil, err
		}
		raw = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	return raw, nil
}

func (s secretSource) read(m *Mapping) (value, error) {
	raw, err := s.raw(m)
	if err != nil {
		return value{}, err
	}
	switch s.encoding {
	case "hex":
		b, err := hex.DecodeString(string(raw))
		if err != nil {
			return value{}, fmt.Errorf("is not hex")
		}
		return value{kind: kBytes, bytes: b}, nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(string(raw))
		if err != nil {
			return value{}, fmt.Errorf("is not base64")
		}
		return value{kind: kBytes, bytes: b}, nil
	default:
		return text(string(raw)), nil
	}
}

// standIns are texts in the place of the secrets, for what is never sent.
func (m *Mapping) standIns() map[string]value {
	out := map[string]value{}
	for name := range m.secrets {
		out["secret."+name] = text(masked)
	}
	return out
}
