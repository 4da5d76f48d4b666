// Package recipes holds ready mappings of sqlhis, each with the tables and views
// that the HIS team reviews and creates.
//
//	reservation   a HIS that has stock but no freeze: holds stand in a table of
//	              their own beside the stock, keyed by his_no. A freeze checks
//	              stock less other holds; an order deducts under the same check,
//	              and never below zero.
//
// The DDL begins with two views, which are all that must be fitted to the HIS's
// own tables. Whatever writes there goes on as before: the counter may sell, and
// every write of the recipe locks the stock row first.
package recipes

import (
	"embed"
	"fmt"
)

//go:embed *.sql *.yaml
var files embed.FS

// DDL returns the statements that create a recipe's tables and views, for the
// dialect postgres or mysql. It returns an error that names what there is.
func DDL(recipe, dialect string) (string, error) { return read(recipe, dialect, "sql") }

// Mapping returns the mapping file of a recipe, which Load of package sqlhis
// reads once its connection is filled in.
func Mapping(recipe, dialect string) (string, error) { return read(recipe, dialect, "yaml") }

func read(recipe, dialect, kind string) (string, error) {
	b, err := files.ReadFile(recipe + "." + dialect + "." + kind)
	if err != nil {
		return "", fmt.Errorf("there is no recipe %q for %q; there is reservation, for postgres and mysql", recipe, dialect)
	}
	return string(b), nil
}
