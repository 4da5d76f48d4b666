package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// mappingFlags name the mapping that a tool works on.
type mappingFlags struct {
	configFlags `embed:""`
	Mapping     string `placeholder:"FILE" help:"A mapping file by itself, in the place of that of -c."`
}

// fitted is a mapping being fitted to its HIS: all that it maps is offered,
// whatever hisgate.yaml claims.
type fitted struct {
	file     string
	declared HIS             // as hisgate.yaml has it; the defaults with --mapping
	http     *httphis.Driver // one of the two
	sql      *sqlhis.Driver
	sim      hisadapter.Driver // or, for who asks for it, the simulated HIS
	standIns bool              // the secrets are not at hand
}

// toolOptions are what a tool wants beside the mapping.
type toolOptions struct {
	batch int  // drugs in one query at most; 0 = as declared
	sim   bool // the simulated HIS will do as well
	http  httphis.Options

	// offline: nothing is sent, and where the secrets are not at hand stand-ins
	// serve.
	offline bool
	now     func() time.Time                         // of a database that is not asked
	answers func(op string) (sqlhis.Exchange, error) // in its place; nil = there are none
}

// open loads the mapping and makes its driver. It connects to nothing.
func (f mappingFlags) open(o toolOptions) (*fitted, error) {
	out := &fitted{file: f.Mapping, declared: Default().HIS}
	if f.Mapping == "" {
		if f.Config == "" {
			return nil, errors.New("-c FILE or --mapping FILE says which mapping")
		}
		c, err := f.load()
		if err != nil {
			return nil, err
		}
		out.declared, out.file = c.HIS, c.HIS.MappingFile
	} else {
		out.declared.MappingFile = f.Mapping
		out.declared.Driver = driverHTTP
		if speaksSQL(f.Mapping) {
			out.declared.Driver = driverSQL
		}
	}
	batch := o.batch
	if batch == 0 {
		batch = out.declared.Capabilities.BatchSize
	}
	switch out.declared.Driver {
	case driverHTTP:
		return out, out.openHTTP(batch, o)
	case driverSQL:
		return out, out.openSQL(batch, o)
	default:
		if !o.sim {
			return nil, fmt.Errorf("his.driver: %s has no mapping file", out.declared.Driver)
		}
		caps := out.declared.capabilities()
		caps.BatchSize = batch
		out.sim = simhis.Dial(out.declared.SimHIS.URL, nil, caps)
		return out, nil
	}
}

func (f *fitted) openHTTP(batch int, o toolOptions) error {
	m, err := httphis.Load(f.file)
	if err != nil {
		return err
	}
	caps := offered(m.Operations(), batch)
	if f.http, err = httphis.New(m, caps, o.http); err != nil && o.offline {
		f.standIns, o.http.Offline = true, true
		f.http, err = httphis.New(m, caps, o.http)
	}
	return err
}

func (f *fitted) openSQL(batch int, o toolOptions) error {
	m, err := sqlhis.Load(f.file)
	if err != nil {
		return err
	}
	caps := offered(m.Operations(), batch)
	switch {
	case o.offline && o.now != nil:
		f.sql, err = sqlhis.Offline(m, caps, o.now, o.answers)
	case o.offline:
		f.sql, err = sqlhis.Offline(m, caps, time.Now, o.answers)
	default:
		f.sql, err = sqlhis.Open(m, caps, time.Now)
	}
	return err
}

// close closes what the driver holds.
func (f *fitted) close() error {
	if f.sql != nil {
		return f.sql.Close()
	}
	return nil
}

// driver is the driver behind the port.
func (f *fitted) driver() hisadapter.Driver {
	switch {
	case f.sql != nil:
		return f.sql
	case f.sim != nil:
		return f.sim
	default:
		return f.http
	}
}

// offered is what a mapping offers, whatever the HIS makes of it.
func offered[Op ~string](ops []Op, batch int) hisadapter.Capabilities {
	has := func(op Op) bool { return slices.Contains(ops, op) }
	return hisadapter.Capabilities{
		Freeze: has("freeze"), Find: has("find_order"), Cancel: has("cancel_order"), List: has("list_orders"), BatchSize: batch,
	}
}

// speaksSQL reports whether a mapping file is one of driver sql: they alone name
// a dialect.
func speaksSQL(file string) bool {
	b, err := os.ReadFile(file)
	if err != nil {
		return false // the driver says it better
	}
	var top struct {
		Dialect any `yaml:"dialect"`
	}
	return yaml.Load(b, &top) == nil && top.Dialect != nil
}

var mappingLine = regexp.MustCompile(`(mapping line |the rule of line )(\d+)`)

// placed names the file beside the lines that a driver's error speaks of.
func (f *fitted) placed(err error) string { return placedIn(f.file, err.Error()) }

func placedIn(file, words string) string {
	return mappingLine.ReplaceAllStringFunc(words, func(s string) string {
		m := mappingLine.FindStringSubmatch(s)
		if m[1] == "mapping line " {
			return file + ":" + m[2]
		}
		return "the rule of " + file + ":" + m[2]
	})
}
