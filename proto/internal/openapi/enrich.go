package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The gRPC codes of errors that are told when to come again.
const (
	codeExhausted   = 8
	codeUnavailable = 14
)

// codes are the gRPC codes by name, as google.rpc.Status has them.
var codes = map[string]int{
	"INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5, "ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": codeExhausted,
	"FAILED_PRECONDITION": 9, "ABORTED": 10, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": codeUnavailable, "UNAUTHENTICATED": 16,
}

// kind is a reason, and how it is answered.
type kind struct {
	status int // of HTTP
	code   string
	reason string
}

// table reads the reasons out of the document's own description, which a test
// holds against the .proto files.
func table(description string) map[string]kind {
	out := map[string]kind{}
	for row := range strings.SplitSeq(description, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 5 {
			continue
		}
		status, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue
		}
		for _, word := range reasonWord.FindAllString(cells[3], -1) {
			if _, twice := out[word]; !twice {
				out[word] = kind{status, strings.TrimSpace(cells[2]), word}
			}
		}
	}
	return out
}

var reasonWord = regexp.MustCompile(`\b[A-Z][A-Z_]+[A-Z]\b`)

// enrich completes every operation. Errors: a promise of an unknown reason, and a
// body without an example.
func enrich(doc *object, ex *examples) error {
	reasons := table(doc.text("info", "description"))
	doc.set("securityDefinitions", newObject("bearer", newObject(
		"type", "apiKey", "name", "Authorization", "in", "header",
		"description", "Bearer and a token (hg_…, or a JSON Web Token). A client certificate does as well; where neither is configured, none is needed.",
	)))
	doc.set("security", []any{newObject("bearer", []any{}), newObject()})
	doc.set("responses", newObject())
	paths := doc.object("paths")
	for _, path := range paths.keys {
		for _, verb := range paths.object(path).keys {
			op := paths.object(path, verb)
			if err := enrichOne(doc, op, verb, path, reasons, ex); err != nil {
				return fmt.Errorf("%s %s: %w", verb, path, err)
			}
		}
	}
	return nil
}

func enrichOne(doc, op *object, verb, path string, reasons map[string]kind, ex *examples) error {
	// A summary is one line.
	op.set("summary", strings.Join(strings.Fields(op.text("summary")), " "))
	params, _ := op.get("parameters").([]any)
	for _, p := range params {
		if err := enrichParameter(op, p.(*object), ex); err != nil {
			return err
		}
	}
	answer := op.object("responses", "200")
	streamed := answer.object("schema", "properties", "result")
	schema := answer.object("schema")
	if streamed != nil {
		schema = streamed
	}
	name := strings.TrimPrefix(schema.text("$ref"), "#/definitions/")
	example, ok := ex.Answers[name]
	if !ok {
		return fmt.Errorf("no example of the answer %s", name)
	}
	answer.set("headers", newObject("X-Request-Id", newObject("type", "string", "description", "The number under which the log knows the request: the caller's, or a new one.")))
	switch {
	case streamed == nil:
		answer.set("description", "OK.")
		answer.set("examples", newObject("application/json", example))
	case strings.HasSuffix(path, ":watch"):
		answer.set("description", "A stream: lines of JSON, or server-sent events where the request accepts text/event-stream. "+
			"An event without a name carries what stands under result; the event end says that nothing follows, the event failed carries an error.")
		op.set("produces", []any{"application/x-ndjson", "text/event-stream"})
		answer.set("examples", newObject("application/x-ndjson", newObject("result", example)))
	default:
		answer.set("description", "A stream: lines of JSON.")
		op.set("produces", []any{"application/x-ndjson"})
		answer.set("examples", newObject("application/x-ndjson", newObject("result", example)))
	}
	return enrichErrors(doc, op, verb, len(params) > 0, reasons, ex)
}

func enrichParameter(op, p *object, ex *examples) error {
	if p.text("in") != "body" {
		if v, ok := ex.Parameters[p.text("name")]; ok && (p.text("in") == "path" || p.get("required") == true) {
			p.set("x-example", v)
		}
		return nil
	}
	body, ok := ex.Requests[op.text("operationId")]
	if !ok {
		return fmt.Errorf("no example of the request %s", op.text("operationId"))
	}
	if p.text("description") == "" {
		p.set("description", "The request, without what stands in the path.")
	}
	p.set("x-example", body)
	return nil
}

var promised = regexp.MustCompile(`(?s)Errors:\s+(.*)$`)

// enrichErrors adds what the method's comment promises, and what can come of
// any.
func enrichErrors(doc, op *object, verb string, hasInput bool, reasons map[string]kind, ex *examples) error {
	own := []string{}
	if m := promised.FindStringSubmatch(op.text("description")); m != nil {
		own = reasonWord.FindAllString(m[1], -1)
	}
	if op.text("operationId") != "OrderService_CheckOrder" && strings.HasPrefix(op.text("operationId"), "OrderService_") {
		own = append(own, "PAYMENT_DISABLED")
	}
	if hasInput {
		own = append(own, "INVALID_FIELD", "MALFORMED_REQUEST")
	}
	common := map[int][]kind{}
	for _, reason := range ofAny {
		k := reasons[reason]
		common[k.status] = append(common[k.status], k)
	}
	byStatus := map[int][]kind{}
	for _, reason := range append(own, ofAny[2:]...) {
		k, ok := reasons[reason]
		switch {
		case notReasons[reason]:
			continue
		case !ok:
			return fmt.Errorf("%s is no reason", reason)
		case reason == "UNKNOWN_DRUG" && verb == "post":
			k.status, k.code = 400, "FAILED_PRECONDITION" // the document's table has that of a reading
		}
		if !slices.Contains(byStatus[k.status], k) {
			byStatus[k.status] = append(byStatus[k.status], k)
		}
	}
	if verb == "post" {
		byStatus[413] = []kind{{413, "INVALID_ARGUMENT", "MALFORMED_REQUEST"}}
		byStatus[415] = byStatus[413]
		common[413], common[415] = byStatus[413], byStatus[413]
	}
	answers := op.object("responses")
	answers.set("default", newObject("description", "Any other error.", "schema", newObject("$ref", "#/definitions/Status")))
	shared := doc.object("responses")
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		all := byStatus[status]
		a := newObject(
			"description", describe(status, all),
			"schema", newObject("$ref", "#/definitions/Status"),
			"examples", newObject("application/json", ex.failure(codes[all[0].code], all[0].reason)),
		)
		if status == 429 || status == 503 {
			a.set("headers", newObject("Retry-After", newObject("type", "integer", "description", "Seconds until it is worth asking again.")))
		}
		// What is the same for most stands once for all.
		if name := strconv.Itoa(status); slices.Equal(all, common[status]) {
			shared.set(name, a)
			a = newObject("$ref", "#/responses/"+name)
		}
		answers.set(strconv.Itoa(status), a)
	}
	slices.Sort(answers.keys) // "default" comes last
	return nil
}

// ofAny are the reasons of any call; the first two need something to be wrong in.
var ofAny = []string{"INVALID_FIELD", "MALFORMED_REQUEST", "UNAUTHENTICATED", "PERMISSION_DENIED", "RATE_LIMITED", "INTERNAL", "SHUTTING_DOWN", "TIMED_OUT"}

// describe lists the reasons of a status by their codes.
func describe(status int, all []kind) string {
	switch status {
	case 413:
		return "The body is over 1 MiB. INVALID_ARGUMENT: MALFORMED_REQUEST."
	case 415:
		return "The body is not JSON. INVALID_ARGUMENT: MALFORMED_REQUEST."
	}
	var order []string
	byCode := map[string][]string{}
	for _, k := range all {
		if byCode[k.code] == nil {
			order = append(order, k.code)
		}
		byCode[k.code] = append(byCode[k.code], k.reason)
	}
	var out []string
	for _, code := range order {
		out = append(out, code+": "+strings.Join(byCode[code], ", ")+".")
	}
	return strings.Join(out, " ")
}

// notReasons are words in capitals that are no reasons.
var notReasons = map[string]bool{"HIS": true, "OK": true}
