package sqlhis

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // the hospital's clock must be known on every machine

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// maxFile bounds a mapping file and a password file.
const maxFile = 1 << 20

// Load reads a mapping file. Everything that is wrong is told at once, each a
// *mapfile.Fault with file and line. Files that the mapping names are found from its own
// folder. The database is not asked.
func Load(path string) (*Mapping, error) {
	doc, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("mapping file: %w", err)
	}
	return Parse(path, doc)
}

// Parse is Load of a document that was read already; path names it in faults and
// is where the files are found that it names.
func Parse(path string, doc []byte) (*Mapping, error) {
	l := &loader{Reader: mapfile.Reader{File: path}, folder: filepath.Dir(path)}
	var m *Mapping
	if n := l.Document(doc); n != nil {
		m = l.mapping(n)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

type loader struct {
	mapfile.Reader
	folder string
	m      *Mapping
}

func (l *loader) mapping(n *yaml.Node) *Mapping {
	l.m = &Mapping{
		file: l.File, timeout: 5 * time.Second, maxRows: 10_000, retries: 3, ops: map[string]*operation{},
		connection: connection{
			line:     n.Line,
			Settings: sqldb.Settings{TLS: "disable", MaxOpen: 8, ConnectTimeout: 5 * time.Second, Idle: 5 * time.Minute},
		},
	}
	zone, ratio, file := "Asia/Shanghai", "", ""
	ratioLine, fileLine, zoneLine := n.Line, n.Line, n.Line
	known := mapfile.Keys{
		"dialect": func(n *yaml.Node) {
			l.m.dialectLine = n.Line
			l.oneOf(&l.m.dialect, "dialect", Postgres, MySQL, SQLServer, Oracle)(n)
		},
		"connection":        l.connection,
		"statement_timeout": l.duration(&l.m.timeout, "statement_timeout", 10*time.Millisecond, 10*time.Minute),
		"max_rows":          l.whole(&l.m.maxRows, "max_rows", 1, 1_000_000),
		"retries":           l.whole(&l.m.retries, "retries", 0, 20),
		"time_zone":         func(n *yaml.Node) { zoneLine = n.Line; l.text(&zone, "time_zone")(n) },
		"units": func(n *yaml.Node) {
			l.Group(n, "units", mapfile.Keys{
				"ratio":  func(n *yaml.Node) { ratioLine = n.Line; l.text(&ratio, "units: ratio")(n) },
				"file":   func(n *yaml.Node) { fileLine = n.Line; l.text(&file, "units: file")(n) },
				"places": l.whole(&l.m.places, "units: places", 0, 15),
			})
		},
	}
	ops, lineOf := map[string]*yaml.Node{}, map[string]int{}
	for _, op := range []string{opQuery, opFreeze, opUnfreeze, opPlace, opFind, opCancel, opList} {
		known[op] = func(n *yaml.Node) { ops[op], lineOf[op] = n, l.KeyLine }
	}
	l.Group(n, "mapping", known)
	var err error
	if l.m.zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
		l.Add(zoneLine, "time_zone: %q is not the name of a time zone, such as Asia/Shanghai", zone)
	}
	if ratio != "" {
		if l.m.ratio, err = units.ParseRatio(ratio); err != nil {
			l.Add(ratioLine, "units: %v", err)
		}
	}
	if file != "" {
		if l.m.table, err = units.OpenTable(l.path(file)); err != nil {
			l.Add(fileLine, "units: file: %v", err)
		}
	}
	if l.m.dialect == "" {
		l.Add(n.Line, "dialect is missing: %s, %s, %s or %s", Postgres, MySQL, SQLServer, Oracle)
		return l.m // statements cannot be read without
	}
	if l.m.connection.Host == "" {
		l.Add(l.m.connection.line, "connection: host is missing")
	}
	for name, n := range ops {
		l.m.ops[name] = l.operation(name, lineOf[name], n)
	}
	l.pairsOfOperations(n.Line)
	return l.m
}

// pairsOfOperations demands what an operation needs beside it.
func (l *loader) pairsOfOperations(line int) {
	if l.m.ops[opQuery] == nil {
		l.Add(line, "query_stock is missing")
	}
	if f, u := l.m.ops[opFreeze], l.m.ops[opUnfreeze]; (f == nil) != (u == nil) {
		l.Add(line, "freeze and unfreeze go together")
	}
	if l.m.ops[opPlace] == nil {
		l.Add(line, "place_order is missing")
	}
	// Where the answer that brought them was lost, only find_order knows the
	// numbers of the HIS.
	for _, x := range []struct{ result, param, from, to string }{
		{"lock_id", "lock_id", opFreeze, opUnfreeze}, {"order_no", "his_order_no", opPlace, opCancel},
	} {
		from, find := l.m.ops[x.from], l.m.ops[opFind]
		if from == nil || find == nil || from.result[x.result] == "" || find.result[x.result] != "" {
			continue
		}
		if to := l.m.ops[x.to]; to.names(x.param) && !to.names("his_no") {
			l.Add(find.line, "find_order: result: %s is missing: %s needs it, and the answer of %s may be lost", x.result, x.to, x.from)
		}
	}
}

func (l *loader) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.folder, name)
}

func (l *loader) connection(n *yaml.Node) {
	c := &l.m.connection
	c.line = l.KeyLine
	var file, env string
	lineOf := map[string]int{}
	at := func(key string, read func(*yaml.Node)) func(*yaml.Node) {
		return func(n *yaml.Node) { lineOf[key] = n.Line; read(n) }
	}
	l.Group(n, "connection", mapfile.Keys{
		"host":          l.text(&c.Host, "connection: host"),
		"port":          l.whole(&c.Port, "connection: port", 1, 65535),
		"database":      l.text(&c.Database, "connection: database"),
		"user":          l.text(&c.User, "connection: user"),
		"password_file": at("file", l.text(&file, "connection: password_file")),
		"password_env":  at("env", l.text(&env, "connection: password_env")),
		"password": func(n *yaml.Node) {
			l.Add(n.Line, "connection: a password does not stand in this file; use password_file or password_env")
		},
		"tls":             l.oneOf(&c.TLS, "connection: tls", "disable", "require", "verify"),
		"ca_file":         l.text(&c.CAFile, "connection: ca_file"),
		"max_open":        l.whole(&c.MaxOpen, "connection: max_open", 1, 1000),
		"connect_timeout": l.duration(&c.ConnectTimeout, "connection: connect_timeout", 10*time.Millisecond, time.Minute),
		"idle":            l.duration(&c.Idle, "connection: idle", time.Second, 24*time.Hour),
		"params": func(n *yaml.Node) {
			c.Params = map[string]string{}
			for _, p := range l.Pairs(n, "connection: params") {
				s := ""
				l.text(&s, "connection: params: "+p.Key)(p.Value)
				c.Params[p.Key] = s
			}
		},
	})
	if c.CAFile != "" {
		c.CAFile = l.path(c.CAFile)
	}
	if file != "" && env != "" {
		l.Add(lineOf["env"], "connection: password_file and password_env, one of them")
	}
	c.passwordFile, c.passwordEnv, c.passwordLine = file, env, max(lineOf["file"], lineOf["env"])
	if file != "" {
		c.passwordFile = l.path(file)
	}
}

// password reads the database's password, "" where the mapping names none.
func (m *Mapping) password() (string, error) {
	c := &m.connection
	switch {
	case c.passwordFile != "":
		b, err := readBounded(c.passwordFile)
		if err != nil {
			return "", &mapfile.Fault{File: m.file, Line: c.passwordLine, Message: "connection: password_file: " + err.Error()}
		}
		return string(bytes.TrimRight(b, "\r\n")), nil
	case c.passwordEnv != "":
		v, ok := os.LookupEnv(c.passwordEnv)
		if !ok {
			return "", &mapfile.Fault{File: m.file, Line: c.passwordLine, Message: "connection: password_env: environment " + c.passwordEnv + " is not set"}
		}
		return v, nil
	default:
		return "", nil
	}
}
