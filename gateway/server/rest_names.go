package server

import (
	"errors"
	"regexp"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// wrongType is what protojson says of a value that does not fit its field. It
// names the field in lower camel case, whatever the request wrote.
var wrongType = regexp.MustCompile(`(invalid value for \w+ field[ \x{a0}])(\w+):`)

// inOurNames gives an error of decoding a message the field's name of the .proto
// file, which is the API's.
func inOurNames(err error, m protoreflect.MessageDescriptor) error {
	text := err.Error()
	at := wrongType.FindStringSubmatchIndex(text)
	if at == nil {
		return err
	}
	name, ok := nameOf(text[at[4]:at[5]], m, map[protoreflect.FullName]bool{})
	if !ok {
		return err
	}
	return errors.New(text[:at[4]] + name + text[at[5]:])
}

// nameOf finds the field of a JSON name in a message or in those within it.
func nameOf(json string, m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) (string, bool) {
	if seen[m.FullName()] {
		return "", false
	}
	seen[m.FullName()] = true
	if f := m.Fields().ByJSONName(json); f != nil {
		return f.TextName(), true
	}
	for i := range m.Fields().Len() {
		within := m.Fields().Get(i).Message()
		if within == nil {
			continue
		}
		if name, ok := nameOf(json, within, seen); ok {
			return name, true
		}
	}
	return "", false
}
