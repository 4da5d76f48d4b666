package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter/sqlhis/recipes"
)

// adapterDDLCmd prints what a recipe of his.driver: sql needs in the database of
// the HIS. It runs nothing.
type adapterDDLCmd struct {
	Recipe  string `default:"reservation" enum:"reservation" help:"reservation: holds, in tables of their own, for a HIS that has stock but no freeze."`
	Dialect string `required:"" enum:"postgres,mysql" help:"postgres, or mysql (MariaDB too)."`
	Mapping bool   `help:"Print the mapping file that goes with it (his.mapping_file) instead."`
}

// Run prints.
func (c adapterDDLCmd) Run(k *kong.Context) error {
	read := recipes.DDL
	if c.Mapping {
		read = recipes.Mapping
	}
	text, err := read(c.Recipe, c.Dialect)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(k.Stdout, text)
	return err
}
