package httphis

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// place is where in a text a value is printed. It decides how it is escaped
// [E3].
type place uint8

const (
	plain      place = iota // nothing is escaped
	xmlText                 // between tags
	xmlAttr                 // between the quotes of an attribute
	xmlCDATA                // in a CDATA section
	jsonString              // between quotes
	jsonValue               // where a JSON value stands
	column                  // between separators
	segment                 // in a path
)

// escaper knows what escaping needs beside the place.
type escaper struct {
	separators []string // of delimited text
	charset    charset  // of paths
}

// Errors about values never show them: they may be secrets or names of patients.
var errNotUTF8 = errors.New("the value is not valid UTF-8")

// escape writes a value so that it cannot be anything but a value there. It
// returns an error for a value that cannot be written there at all.
func (e escaper) escape(v value, at place) (string, error) {
	s := v.String()
	switch at {
	case xmlText, xmlAttr:
		if err := xmlChars(s); err != nil {
			return "", err
		}
		return xmlEscaper.Replace(s), nil
	case xmlCDATA:
		if err := xmlChars(s); err != nil {
			return "", err
		}
		return inCDATA(s), nil
	case jsonString:
		q, err := quoteJSON(s)
		if err != nil {
			return "", err
		}
		return q[1 : len(q)-1], nil
	case jsonValue:
		if v.kind == kNumber || v.kind == kFen || v.kind == kQuantity {
			return s, nil
		}
		return quoteJSON(s)
	case column:
		return s, e.separable(s)
	case segment:
		if s == "" || s == "." || s == ".." {
			return "", errors.New("an empty value, . and .. cannot stand in a path")
		}
		b, err := e.charset.encode(s)
		if err != nil {
			return "", err
		}
		return url.PathEscape(string(b)), nil
	default:
		return s, nil
	}
}

// inCDATA keeps ]]> from forming, within a value and at its seams with what
// stands before and behind it.
func inCDATA(s string) string {
	const reopen = "]]><![CDATA["
	s = strings.ReplaceAll(s, "]]>", "]]"+reopen+">")
	if strings.HasPrefix(s, ">") || strings.HasPrefix(s, "]>") {
		s = reopen + s
	}
	if strings.HasSuffix(s, "]") {
		s += reopen
	}
	return s
}

// separable refuses a value that holds a separator, or makes one with what stands
// beside it: x| before || would be cut behind x.
func (e escaper) separable(s string) error {
	for _, sep := range append(slices.Clone(e.separators), "\n", "\r") {
		if strings.Contains(s, sep) {
			return fmt.Errorf("the value holds the separator %q", sep)
		}
		for i := 1; i < len(sep); i++ {
			if strings.HasSuffix(s, sep[:i]) || strings.HasPrefix(s, sep[i:]) {
				return fmt.Errorf("the value ends or begins with a part of the separator %q", sep)
			}
		}
	}
	return nil
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;",
	"\t", "&#9;", "\n", "&#10;", "\r", "&#13;")

// xmlChars refuses what XML 1.0 cannot hold, not even escaped.
func xmlChars(s string) error {
	if !utf8.ValidString(s) {
		return errNotUTF8
	}
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return fmt.Errorf("the value holds the character %U, which XML cannot hold", r)
		}
	}
	return nil
}

func quoteJSON(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errNotUTF8
	}
	var sb strings.Builder
	enc := json.NewEncoder(&sb)
	enc.SetEscapeHTML(false) // a signature may be taken over the text as it is
	if err := enc.Encode(s); err != nil {
		return "", err
	}
	return strings.TrimSuffix(sb.String(), "\n"), nil
}

// grammar follows a text as it grows, to know at which place a value stands.
type grammar interface {
	// feed reads literal text.
	feed(s string) grammar
	// place is where a value would be printed now, or an error where none may be.
	place() (place, error)
}

// free is a text without places.
type free place

func (f free) feed(string) grammar   { return f }
func (f free) place() (place, error) { return place(f), nil }

// inXML is where in an XML text one is.
type inXML uint8

const (
	xText inXML = iota
	xTag
	xDouble
	xSingle
	xCDATA
	xComment
	xInstruction
)

func (x inXML) feed(s string) grammar {
	until := map[inXML]string{xDouble: `"`, xSingle: `'`, xCDATA: "]]>", xComment: "-->", xInstruction: "?>"}
	for s != "" {
		switch x {
		case xText:
			_, rest, found := strings.Cut(s, "<")
			if !found {
				return x
			}
			s, x = rest, xTag
			for opening, state := range map[string]inXML{"![CDATA[": xCDATA, "!--": xComment, "?": xInstruction} {
				if after, ok := strings.CutPrefix(s, opening); ok {
					s, x = after, state
				}
			}
		case xTag:
			i := strings.IndexAny(s, `"'>`)
			if i < 0 {
				return x
			}
			x = map[byte]inXML{'"': xDouble, '\'': xSingle, '>': xText}[s[i]]
			s = s[i+1:]
		default:
			_, rest, found := strings.Cut(s, until[x])
			if !found {
				return x
			}
			s = rest
			if x == xDouble || x == xSingle {
				x = xTag
			} else {
				x = xText
			}
		}
	}
	return x
}

func (x inXML) place() (place, error) {
	switch x {
	case xText:
		return xmlText, nil
	case xDouble, xSingle:
		return xmlAttr, nil
	case xCDATA:
		return xmlCDATA, nil
	case xTag:
		return 0, fmt.Errorf("a value cannot stand inside a tag; put it between quotes or into the text")
	default:
		return 0, fmt.Errorf("a value cannot stand in a comment or a processing instruction")
	}
}

// inJSON is where in a JSON text one is.
type inJSON uint8

const (
	jValue inJSON = iota
	jString
	jEscape
)

func (j inJSON) feed(s string) grammar {
	for i := range len(s) {
		switch {
		case j == jEscape:
			j = jString
		case j == jString && s[i] == '\\':
			j = jEscape
		case s[i] == '"' && j == jString:
			j = jValue
		case s[i] == '"':
			j = jString
		}
	}
	return j
}

func (j inJSON) place() (place, error) {
	switch j {
	case jValue:
		return jsonValue, nil
	case jString:
		return jsonString, nil
	default:
		return 0, fmt.Errorf("a value cannot stand behind a backslash")
	}
}
