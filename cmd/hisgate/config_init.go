package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	his "github.com/hisgate/hisgate/examples/his"
	"github.com/hisgate/hisgate/hisadapter/sqlhis/recipes"
)

// configInitCmd writes what a HIS team begins with.
type configInitCmd struct {
	HIS     string `name:"his" required:"" enum:"soap,json,json-aes,rest,pipe,columns,cookie,sql" help:"What the HIS speaks: ${enum}. docs/his-adapters.md says which is yours."`
	Dialect string `default:"mysql" enum:"mysql,postgres" help:"With --his sql: mysql (MariaDB too) or postgres."`
	Dir     string `default:"." help:"Folder of the files; made when missing (${default})."`
}

// passwordFile is where the mapping of a database finds its password.
const passwordFile = "his.password"

// Run writes hisgate.yaml and his.yaml. A file that is there already is left
// alone, and nothing is written then.
func (c *configInitCmd) Run(k *kong.Context) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	mapping, err := c.mapping()
	if err != nil {
		return err
	}
	type file struct {
		name string
		text []byte
	}
	files := []file{{"his.yaml", mapping}}
	if c.HIS == "sql" {
		files = append(files, file{passwordFile, []byte("change-me\n")})
	}
	files = append(files, file{"hisgate.yaml", c.settings(filepath.Join(dir, "his.yaml"))}) // last: with it the others are whole
	var there []error
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil {
			there = append(there, fmt.Errorf("%s is there already, and is left alone", filepath.Join(dir, f.name)))
		} else if !errors.Is(err, fs.ErrNotExist) {
			there = append(there, err)
		}
	}
	if err := errors.Join(there...); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := writeNew(filepath.Join(dir, f.name), f.text); err != nil {
			return err
		}
		fmt.Fprintln(k.Stdout, filepath.Join(dir, f.name))
	}
	return nil
}

// writeNew writes a file that must not be there, for its owner alone: addresses
// and users of a HIS stand in it.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func (c *configInitCmd) mapping() ([]byte, error) {
	if c.HIS != "sql" {
		name := c.HIS
		if name == "json" {
			name = "json-sm3"
		}
		return his.Mapping(name)
	}
	text, err := recipes.Mapping("reservation", c.Dialect)
	if err != nil {
		return nil, err
	}
	secret := []byte("password_env: HIS_DB_PASSWORD")
	if !bytes.Contains([]byte(text), secret) {
		return nil, errors.New("the recipe has no password_env")
	}
	return bytes.Replace([]byte(text), secret, []byte("password_file: "+passwordFile), 1), nil
}

// settings is a hisgate.yaml that claims as little of the HIS as can be: what it
// can do is proven by hisgate probe.
func (c *configInitCmd) settings(mapping string) []byte {
	driver := driverHTTP
	if c.HIS == "sql" {
		driver = driverSQL
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# hisgate.yaml: docs/configuration.md has every setting.\n\n")
	fmt.Fprintf(&b, "payment:\n  enabled: false # the stock half alone, until the HIS is fitted\n\n")
	fmt.Fprintf(&b, "his:\n  driver: %s\n  mapping_file: %q\n", driver, mapping)
	fmt.Fprintf(&b, "  # What the HIS can do. hisgate probe prints the block to put here.\n")
	fmt.Fprintf(&b, "  capabilities:\n    find: false\n    idempotent_by_his_no: false\n    atomic_items: false\n    batch_size: 1\n")
	return []byte(b.String())
}
