package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ID is an identifier in the configuration: a merchant number, a drug. An
// unquoted number is refused, because YAML would drop leading zeros and read
// 0100 as octal.
type ID string

// UnmarshalYAML implements yaml.Unmarshaler.
func (id *ID) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return fmt.Errorf("an id must be quoted: %q", n.Value)
	}
	*id = ID(n.Value)
	return nil
}

// Load reads the settings: defaults, then the file (path may be empty), then
// the environment, then sets of the form path=value. Everything that cannot be
// read is reported at once, then everything that is not valid, each with its
// file and line, variable or flag.
func Load(path string, environ, sets []string) (Config, error) {
	c := Default()
	where := map[string]string{} // setting → where it was last set
	var errs []error
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("config: %w", err)
		}
		errs = append(errs, overlay(&c, b, path, func(line int) string { return fmt.Sprintf("%s:%d", path, line) }, where))
	}
	settings := settingsOf(reflect.TypeFor[Config](), "")
	errs = append(errs, fromEnviron(&c, settings, environ, where), fromSets(&c, settings, sets, where))
	if err := errors.Join(errs...); err != nil {
		return c, err
	}
	return c, c.Validate(where)
}

// overlay lays one YAML document over c and remembers where each setting stood.
func overlay(c *Config, doc []byte, origin string, at func(line int) string, where map[string]string) error {
	var root yaml.Node
	if err := yaml.Load(doc, &root); err != nil {
		if strings.Contains(err.Error(), "no documents") || len(strings.TrimSpace(string(doc))) == 0 {
			return nil // an empty file is the defaults
		}
		return fmt.Errorf("%s: %w", origin, err)
	}
	var errs []error
	paths := map[int][]string{} // line → the settings that stand on it
	if len(root.Content) > 0 {
		visit(root.Content[0], "", func(path string, line int, value *yaml.Node) {
			where[path] = at(line)
			if value.Kind == yaml.ScalarNode {
				paths[line] = append(paths[line], path)
			}
			if value.Kind == yaml.ScalarNode && value.Tag == "!!null" {
				errs = append(errs, fmt.Errorf("%s: %s: has no value", at(line), path))
			}
		})
	}
	err := yaml.Load(doc, c, yaml.WithKnownFields())
	var le *yaml.LoadErrors
	if !errors.As(err, &le) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", origin, err))
		}
		return errors.Join(errs...)
	}
	for _, e := range le.Errors {
		errs = append(errs, fmt.Errorf("%s: %s", at(e.Mark.Line), inWords(e.Message, paths[e.Mark.Line])))
	}
	return errors.Join(errs...)
}

// How the decoder speaks of a key that no setting has, and of a value that does
// not fit its setting.
var (
	unknownKey = regexp.MustCompile(`^field (.+) not found in type \S+$`)
	badValue   = regexp.MustCompile("^cannot construct !!\\w+(?: `(.*)`)? into (\\S+)$")
)

// inWords puts the decoder's words into those of the configuration. on are the
// settings that stand on the line.
func inWords(message string, on []string) string {
	if m := unknownKey.FindStringSubmatch(message); m != nil {
		if i := slices.IndexFunc(on, func(p string) bool { return strings.HasSuffix(p, "."+m[1]) }); i >= 0 {
			m[1] = on[i]
		}
		return m[1] + ": no such setting"
	}
	name := ""
	if len(on) == 1 {
		name = on[0] + ": "
	}
	m := badValue.FindStringSubmatch(message)
	if m == nil {
		return name + message
	}
	kind := "a group of settings"
	switch t := m[2]; {
	case t == "time.Duration":
		kind = "a duration such as 10s or 5m"
	case t == "bool":
		kind = "true or false"
	case t == "string", t == "main.ID":
		kind = "a text"
	case strings.HasPrefix(t, "int"):
		kind = "a whole number"
	case strings.HasPrefix(t, "float"):
		kind = "a number"
	case strings.HasPrefix(t, "[]"):
		kind = "a list"
	}
	if m[1] == "" {
		return name + "is not " + kind
	}
	return fmt.Sprintf("%s%q is not %s", name, m[1], kind)
}

// visit calls f for every setting of a mapping, with the line of its name.
func visit(n *yaml.Node, prefix string, f func(path string, line int, value *yaml.Node)) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			p := join(prefix, n.Content[i].Value)
			f(p, n.Content[i].Line, n.Content[i+1])
			visit(n.Content[i+1], p, f)
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			p := fmt.Sprintf("%s[%d]", prefix, i)
			f(p, e.Line, e)
			visit(e, p, f)
		}
	}
}

const envPrefix = "HISGATE_"

// serviceLink is what Kubernetes and Docker put into the environment of a
// container beside a service that is called hisgate or hisgate-something.
var serviceLink = regexp.MustCompile(`^HISGATE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

func fromEnviron(c *Config, settings []setting, environ []string, where map[string]string) error {
	var errs []error
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix) || name == serverEnv || name == tokenEnv || serviceLink.MatchString(name) {
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.Env == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("environment %s: no such setting", name))
			continue
		}
		errs = append(errs, setOne(c, settings[i], value, "environment "+name, where))
	}
	return errors.Join(errs...)
}

func fromSets(c *Config, settings []setting, sets []string, where map[string]string) error {
	var errs []error
	for _, s := range sets {
		path, value, ok := strings.Cut(s, "=")
		if !ok {
			errs = append(errs, fmt.Errorf("--set %s: want setting=value", s))
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.Path == path })
		if i < 0 {
			errs = append(errs, fmt.Errorf("--set %s: no such setting", path))
			continue
		}
		errs = append(errs, setOne(c, settings[i], value, "--set "+path, where))
	}
	return errors.Join(errs...)
}

// setOne lays one value over c by way of the same decoder that reads the file.
func setOne(c *Config, s setting, value, origin string, where map[string]string) error {
	leaf := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	if s.Text {
		leaf.Tag = "!!str"
		leaf.Style = yaml.DoubleQuotedStyle
	}
	if s.List {
		if strings.TrimSpace(value) == "" {
			return fmt.Errorf("%s: has no value; an empty list is []", origin)
		}
		leaf = &yaml.Node{}
		if err := yaml.Load([]byte(value), leaf); err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
		leaf = leaf.Content[0]
	}
	for _, key := range slices.Backward(strings.Split(s.Path, ".")) {
		leaf = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, leaf}}
	}
	doc, err := yaml.Dump(leaf)
	if err != nil {
		return fmt.Errorf("%s: %w", origin, err)
	}
	return overlay(c, doc, origin, func(int) string { return origin }, where)
}

// setting is one leaf of Config.
type setting struct {
	Path, Env, Doc string
	Text, List     bool
}

// settingsOf lists the leaves of a configuration type, in the order written.
func settingsOf(t reflect.Type, prefix string) []setting {
	var out []setting
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		path := join(prefix, name)
		switch {
		case f.Type.Kind() == reflect.Struct:
			out = append(out, settingsOf(f.Type, path)...)
		default:
			out = append(out, setting{
				Path: path,
				Env:  envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_")),
				Doc:  f.Tag.Get("doc"),
				Text: f.Type.Kind() == reflect.String,
				List: f.Type.Kind() == reflect.Slice,
			})
		}
	}
	return out
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
