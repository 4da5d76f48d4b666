// Command openapi completes hisgate.swagger.json, which protoc-gen-openapiv2 made
// of the .proto files: each operation gets the error answers that its comment and
// the table of reasons promise, and each body its example out of
// proto/examples.json. It is run by make generate:
//
//	go run ./proto/internal/openapi proto/examples.json proto/hisgate/v1/hisgate.swagger.json
//
// It reads no .proto file itself, so that the comments there stay the one place
// where an error of a method is promised.
package main
