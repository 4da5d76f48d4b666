package httphis

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is how a HIS writes text as bytes.
type charset string

const (
	utf8Charset charset = "utf-8"
	gbk         charset = "gbk"
	gb18030     charset = "gb18030"
)

func charsetNames() []string { return []string{string(utf8Charset), string(gbk), string(gb18030)} }

func (c charset) encoding() encoding.Encoding {
	switch c {
	case gbk:
		return simplifiedchinese.GBK
	case gb18030:
		return simplifiedchinese.GB18030
	default:
		return encoding.Nop
	}
}

// encode writes text in the charset. A character that the charset does not have
// is an error: GBK lacks rare ones of drug and patient names, GB18030 none.
func (c charset) encode(s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("a text is not valid UTF-8")
	}
	if c == utf8Charset || c == "" {
		return []byte(s), nil
	}
	e := c.encoding()
	b, err := e.NewEncoder().Bytes([]byte(s))
	if err == nil {
		return b, nil
	}
	for _, r := range s {
		if _, err := e.NewEncoder().String(string(r)); err != nil {
			return nil, fmt.Errorf("%s has no character %q (gb18030 has all)", c, r)
		}
	}
	return nil, err
}

// replacementGB18030 is how GB18030 spells U+FFFD itself.
var replacementGB18030 = []byte{0x84, 0x31, 0xa4, 0x37}

// decode reads bytes strictly: what is not text of this charset is an error.
func (c charset) decode(b []byte) (string, error) {
	if c == utf8Charset || c == "" {
		if !utf8.Valid(b) {
			return "", errors.New("the text is not valid utf-8")
		}
		return strings.TrimPrefix(string(b), "\ufeff"), nil
	}
	if speaksUTF8(b) {
		return "", fmt.Errorf("the text is utf-8, not %s", c)
	}
	out, err := c.encoding().NewDecoder().Bytes(b)
	if err != nil {
		return "", fmt.Errorf("the text is not valid %s: %w", c, err)
	}
	if strings.Count(string(out), "\ufffd") > bytes.Count(b, replacementGB18030) {
		return "", fmt.Errorf("the text is not valid %s", c)
	}
	return strings.TrimPrefix(string(out), "\ufeff"), nil
}

// speaksUTF8 reports whether bytes that should be GBK are UTF-8. Two characters
// of GBK may by chance be UTF-8 as well (联通 is); a dozen bytes that all are
// have never been seen, so an answer in the wrong charset does not pass as a
// right one with strange letters.
func speaksUTF8(b []byte) bool {
	if bytes.HasPrefix(b, []byte("\ufeff")) {
		return true
	}
	high := 0
	for _, c := range b {
		if c >= utf8.RuneSelf {
			high++
		}
	}
	return high >= 12 && utf8.Valid(b)
}
