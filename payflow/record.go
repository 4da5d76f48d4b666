package payflow

import (
	"encoding/json"
	"strconv"
)

// rawField is a field of a record that this build does not know.
type rawField = json.RawMessage

// etag is a version as callers carry it.
func etag(version int64) string { return strconv.FormatInt(version, 10) }
