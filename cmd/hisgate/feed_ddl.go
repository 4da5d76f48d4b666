package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox/ddl"
)

// feedDDLCmd prints what an outbox needs in the database of the HIS. It runs
// nothing.
type feedDDLCmd struct {
	Dialect  string `required:"" enum:"postgres,mysql,mariadb,sqlserver,oracle" help:"postgres, mysql, mariadb, sqlserver or oracle."`
	Table    string `required:"" placeholder:"NAME" help:"The table of stock, as one would write it in SQL: his.药房库存."`
	Drug     string `name:"drug-column" required:"" placeholder:"NAME" help:"Its column with the drug's code."`
	Pharmacy string `name:"pharmacy-column" placeholder:"NAME" help:"Its column with the pharmacy's code, where it has one."`
	Quantity string `name:"quantity-column" placeholder:"NAME" help:"Its column with the quantity. Without it any update of a row counts as a change."`
	KeysOnly bool   `help:"Tell hisgate which drug changed, not its figure; hisgate then asks the HIS. It must be so where a drug of a pharmacy has several rows (lots)."`
	Updated  string `placeholder:"NAME" help:"Its column with the time of the last modification: print a view by that instead, where no trigger may be created."`
	Name     string `placeholder:"NAME" help:"What the outbox, or the view, is called: hisgate_outbox, hisgate_modified."`
	User     string `default:"hisgate" placeholder:"NAME" help:"Who reads it, and may do nothing else."`
	Notify   bool   `help:"PostgreSQL: wake hisgate with every change (NOTIFY on the channel of that name)."`
	Clean    bool   `help:"Let hisgate delete what it has read (keep)."`
}

// Run prints.
func (c feedDDLCmd) Run(k *kong.Context) error {
	text, err := ddl.Script(ddl.Options{
		Dialect: c.Dialect, Table: c.Table, Pharmacy: c.Pharmacy, Drug: c.Drug, Quantity: c.Quantity,
		KeysOnly: c.KeysOnly, Updated: c.Updated, Name: c.Name, User: c.User, Notify: c.Notify, Clean: c.Clean,
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(k.Stdout, text)
	return err
}
