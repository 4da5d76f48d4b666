package hisgatev1

import (
	"strings"

	"buf.build/go/protovalidate"
)

// ViolatedField returns the path of the field that a violation is about, as a
// request spells it: items[0].quantity, payment.payer_openid.
//
// A rule over several fields of a message belongs to none of them for
// protovalidate. The .proto files name the field to blame in the rule's id,
// after "field.".
func ViolatedField(v *protovalidate.Violation) string {
	path := protovalidate.FieldPathString(v.Proto.GetField())
	name, ok := strings.CutPrefix(v.Proto.GetRuleId(), "field.")
	switch {
	case !ok:
		return path
	case path == "":
		return name
	default:
		return path + "." + name
	}
}
