package main

import (
	"fmt"
	"os"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/gateway/server/access"
)

type tokenCmd struct {
	New tokenNewCmd `cmd:"" help:"Make a token for a caller, and the entry for auth.callers_file that stands for it."`
}

type tokenNewCmd struct {
	Name     string        `required:"" help:"Name of the caller: its locks and orders belong to it."`
	Roles    []string      `required:"" help:"What it may do: reader, reporter, locker, cashier, pricing, operator, admin."`
	Pharmacy []string      `help:"Pharmacies that a reporter may report of; without it, all."`
	Expires  time.Duration `help:"How long the token counts, as 8760h; without it, until the entry is taken away."`
}

// Run prints the token to standard error, once, and the entry to standard output,
// so that >> puts it into the file.
func (c *tokenNewCmd) Run() error {
	for _, r := range c.Roles {
		if _, err := access.ParseRole(r); err != nil {
			return nobody("--roles: %w", err)
		}
	}
	if err := access.CheckName(c.Name); err != nil {
		return nobody("--name: %w", err)
	}
	token, sum := access.NewToken()
	g := access.Grant{Name: c.Name, TokenSHA256: sum, Roles: c.Roles, Pharmacies: c.Pharmacy}
	if c.Expires > 0 {
		g.Expires = time.Now().UTC().Add(c.Expires).Truncate(time.Second)
	}
	entry, err := yaml.Dump([]access.Grant{g})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "The token of %s, shown this once; give it to the caller alone:\n%s\nThe entry for auth.callers_file follows on standard output.\n", c.Name, token)
	_, err = os.Stdout.Write(entry)
	return err
}
