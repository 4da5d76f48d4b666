package hisgatev1

import _ "embed"

//go:embed hisgate.swagger.json
var openAPI string

// OpenAPI returns the REST side of the API as an OpenAPI 2.0 document in JSON.
func OpenAPI() string { return openAPI }
