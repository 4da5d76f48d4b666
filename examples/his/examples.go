// Package his holds the example mapping files of driver http, one a dialect, for
// who begins with one of them: hisgate config init.
package his

import "embed"

//go:embed *.yaml
var files embed.FS

// Mapping returns the example of that name: soap, json-sm3, json-aes, rest, pipe,
// columns or cookie. Its error is that of a file that is not there.
func Mapping(name string) ([]byte, error) { return files.ReadFile(name + ".yaml") }
