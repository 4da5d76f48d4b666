package hisgatev1_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// document is the part of OpenAPI 2.0 that is held here.
type document struct {
	Info struct {
		Description string `json:"description"`
	} `json:"info"`
	Paths       map[string]map[string]operation `json:"paths"`
	Definitions map[string]schema               `json:"definitions"`
}

type operation struct {
	OperationID string      `json:"operationId"`
	Summary     string      `json:"summary"`
	Parameters  []parameter `json:"parameters"`
}

type parameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Required bool   `json:"required"`
	Schema   struct {
		Ref string `json:"$ref"`
	} `json:"schema"`
}

type schema struct {
	Required   []string `json:"required"`
	Properties map[string]struct {
		Description string `json:"description"`
	} `json:"properties"`
}

func openAPI(t *testing.T) (doc document) {
	t.Helper()
	if err := json.Unmarshal([]byte(hisgatev1.OpenAPI()), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestEveryMethodHasItsRoute: REST covers the whole API, and no two methods
// share a route.
func TestEveryMethodHasItsRoute(t *testing.T) {
	doc := openAPI(t)
	taken := map[string]string{}
	for _, m := range methods() {
		verb, path := route(m.Options())
		if path == "" {
			t.Errorf("%s has no GET or POST route", m.FullName())
			continue
		}
		id := string(m.Parent().Name()) + "_" + string(m.Name())
		if other, ok := taken[verb+path]; ok {
			t.Errorf("%s and %s share %s %s", id, other, verb, path)
		}
		taken[verb+path] = id
		op := doc.Paths[path][verb]
		if op.OperationID != id {
			t.Errorf("OpenAPI has %q at %s %s, want %s", op.OperationID, verb, path, id)
		}
		if op.Summary == "" {
			t.Errorf("OpenAPI says nothing of %s", id)
		}
	}
}

// TestRequiredFieldsAreMarked: what an empty request is refused for is what the
// document calls required.
func TestRequiredFieldsAreMarked(t *testing.T) {
	v, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	doc := openAPI(t)
	for _, m := range methods() {
		verb, path := route(m.Options())
		var got []string
		for _, p := range doc.Paths[path][verb].Parameters {
			switch {
			case p.In == "body":
				got = append(got, doc.Definitions[strings.TrimPrefix(p.Schema.Ref, "#/definitions/")].Required...)
			case p.Required:
				got = append(got, p.Name)
			}
		}
		check(t, v, newMessage(t, m.Input()), got)
	}
	for _, m := range []proto.Message{
		&hisgatev1.StockKey{}, &hisgatev1.StockChange{}, &hisgatev1.LockItem{}, &hisgatev1.OrderItem{},
		&hisgatev1.PaymentReference{}, &hisgatev1.PaymentSpec{}, &hisgatev1.Amount{},
	} {
		check(t, v, m, doc.Definitions[string(m.ProtoReflect().Descriptor().Name())].Required)
	}
}

// check compares marked with the fields that the empty message lacks by a rule
// of their own; those of a rule over several fields depend on the others.
func check(t *testing.T, v protovalidate.Validator, empty proto.Message, marked []string) {
	t.Helper()
	var lacking []string
	if bad, ok := errors.AsType[*protovalidate.ValidationError](v.Validate(empty)); ok {
		for _, violation := range bad.Violations {
			if !strings.HasPrefix(violation.Proto.GetRuleId(), "field.") {
				lacking = append(lacking, hisgatev1.ViolatedField(violation))
			}
		}
	}
	slices.Sort(lacking)
	slices.Sort(marked)
	if !slices.Equal(lacking, marked) {
		t.Errorf("%s: OpenAPI marks %q as required, the rules want %q", empty.ProtoReflect().Descriptor().Name(), marked, lacking)
	}
}

// TestReasonsAreInTheDocument: whoever reads only the OpenAPI document knows
// every reason of an error.
func TestReasonsAreInTheDocument(t *testing.T) {
	words := strings.Fields(openAPI(t).Info.Description)
	for number, reason := range hisgatev1.Reason_Code_name {
		if number != 0 && !slices.Contains(words, reason) {
			t.Errorf("proto/openapi.yaml does not name %s", reason)
		}
	}
}

// TestEveryPropertyIsDescribed: a field without words is a field that somebody
// guesses the unit of.
func TestEveryPropertyIsDescribed(t *testing.T) {
	for name, s := range openAPI(t).Definitions {
		if name == "Any" || name == "Status" {
			continue // Google's
		}
		for property, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", name, property)
			}
		}
	}
}

// route is the HTTP method, in lower case, and the path of a method.
func route(options proto.Message) (verb, path string) {
	rule, _ := proto.GetExtension(options, annotations.E_Http).(*annotations.HttpRule)
	if path := rule.GetGet(); path != "" {
		return "get", path
	}
	return "post", rule.GetPost()
}
