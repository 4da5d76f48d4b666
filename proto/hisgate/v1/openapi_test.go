package hisgatev1_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// document is the part of OpenAPI 2.0 that is held here.
type document struct {
	Info struct {
		Description string `json:"description"`
	} `json:"info"`
	Paths       map[string]map[string]operation `json:"paths"`
	Definitions map[string]schema               `json:"definitions"`
	Responses   map[string]answer               `json:"responses"`
}

type operation struct {
	OperationID string            `json:"operationId"`
	Summary     string            `json:"summary"`
	Description string            `json:"description"`
	Produces    []string          `json:"produces"`
	Parameters  []parameter       `json:"parameters"`
	Responses   map[string]answer `json:"responses"`
}

type answer struct {
	Ref         string                     `json:"$ref"`
	Description string                     `json:"description"`
	Examples    map[string]json.RawMessage `json:"examples"`
	Headers     map[string]any             `json:"headers"`
}

type parameter struct {
	Name     string          `json:"name"`
	In       string          `json:"in"`
	Required bool            `json:"required"`
	Words    string          `json:"description"`
	Example  json.RawMessage `json:"x-example"`
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

// TestEveryRouteIsToldInFull: what it does, who may call it, what it may be
// refused for, and what goes in and comes out, as messages that the API takes.
func TestEveryRouteIsToldInFull(t *testing.T) {
	v, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	doc := openAPI(t)
	for _, m := range methods() {
		verb, path := route(m.Options())
		op := doc.Paths[path][verb]
		if op.Summary == "" || strings.Contains(op.Summary, "\n") || !strings.Contains(strings.Join(strings.Fields(op.Description), " "), "Role: ") {
			t.Errorf("%s: summary %q, description %q", m.Name(), op.Summary, op.Description)
		}
		body := newMessage(t, m.Input())
		for _, p := range op.Parameters {
			if p.Words == "" {
				t.Errorf("%s: nothing is said of %s", m.Name(), p.Name)
			}
			switch {
			case p.In == "body":
				if err := protojson.Unmarshal(p.Example, body); err != nil {
					t.Errorf("%s: the example of the body: %v", m.Name(), err)
				}
			case p.In == "path" || p.Required:
				if p.Example == nil {
					t.Errorf("%s: %s has no example", m.Name(), p.Name)
				}
			}
		}
		if verb == "post" {
			for _, p := range op.Parameters {
				if f := m.Input().Fields().ByName(protoreflect.Name(p.Name)); p.In == "path" && f != nil {
					body.ProtoReflect().Set(f, protoreflect.ValueOfString(strings.Trim(string(p.Example), `"`)))
				}
			}
			if err := v.Validate(body); err != nil {
				t.Errorf("%s would be refused: %v", m.Name(), err)
			}
		}
		tellsAnswers(t, doc, m, verb, op)
	}
}

// tellsAnswers holds the answers of an operation: an example each, of the right
// message, and the errors that any call may end in.
func tellsAnswers(t *testing.T, doc document, m protoreflect.MethodDescriptor, verb string, op operation) {
	t.Helper()
	wanted := []string{"200", "401", "403", "429", "500", "503", "504"}
	if len(op.Parameters) > 0 {
		wanted = append(wanted, "400")
	}
	if verb == "post" {
		wanted = append(wanted, "413", "415")
	}
	for _, status := range wanted {
		if _, ok := op.Responses[status]; !ok {
			t.Errorf("%s does not tell of %s", m.Name(), status)
		}
	}
	for status, a := range op.Responses {
		if name, shared := strings.CutPrefix(a.Ref, "#/responses/"); shared {
			a = doc.Responses[name]
		}
		if a.Description == "" {
			t.Errorf("%s: nothing is said of %s", m.Name(), status)
		}
		if (status == "429" || status == "503") != (a.Headers["Retry-After"] != nil) {
			t.Errorf("%s: %s and Retry-After", m.Name(), status)
		}
		example, out := a.Examples["application/json"], newMessage(t, m.Output())
		switch {
		case status == "default":
			continue
		case status != "200":
			out = &spb.Status{}
		case m.IsStreamingServer():
			var line struct {
				Result json.RawMessage `json:"result"`
			}
			if err := json.Unmarshal(a.Examples["application/x-ndjson"], &line); err != nil {
				t.Errorf("%s: %v", m.Name(), err)
			}
			example = line.Result
			if watched := strings.HasPrefix(string(m.Name()), "Watch"); watched != slices.Contains(op.Produces, "text/event-stream") {
				t.Errorf("%s produces %v", m.Name(), op.Produces)
			}
		}
		if err := protojson.Unmarshal(example, out); err != nil {
			t.Errorf("%s: the example of %s: %v", m.Name(), status, err)
		}
		if e, ok := out.(*spb.Status); ok {
			tellsReason(t, m, status, a, e)
		}
	}
}

// tellsReason: the example of an error has a reason that the words name, and the
// code that goes with the status.
func tellsReason(t *testing.T, m protoreflect.MethodDescriptor, status string, a answer, e *spb.Status) {
	t.Helper()
	var info errdetails.ErrorInfo
	for _, d := range e.GetDetails() {
		_ = d.UnmarshalTo(&info) // of another type, perhaps
	}
	if _, known := hisgatev1.Reason_Code_value[info.GetReason()]; !known || !strings.Contains(a.Description, info.GetReason()) {
		t.Errorf("%s: the example of %s has the reason %q, the words are %q", m.Name(), status, info.GetReason(), a.Description)
	}
	if got := strconv.Itoa(runtime.HTTPStatusFromCode(codes.Code(e.GetCode()))); got != status && status != "413" && status != "415" {
		t.Errorf("%s: the example of %s has code %d", m.Name(), status, e.GetCode())
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
