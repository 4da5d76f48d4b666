package legacyhis

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

var errCharset = errors.New("the bytes are not GB18030")

// fromGB reads GB18030, which GBK is a part of.
func fromGB(b []byte) (string, error) {
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b)
	if err != nil || bytes.ContainsRune(out, utf8.RuneError) {
		return "", errCharset
	}
	return string(out), nil
}

// toGB writes GB18030. It knows every character there is, so it cannot fail for
// valid text.
func toGB(s string) []byte {
	out, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(s))
	if err != nil {
		return []byte("?")
	}
	return out
}
