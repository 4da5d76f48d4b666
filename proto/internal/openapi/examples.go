package main

import (
	"fmt"
	"strings"
)

// examples is proto/examples.json.
type examples struct {
	Parameters map[string]string   `json:"parameters"` // by name
	Requests   map[string]*object  `json:"requests"`   // by operation
	Answers    map[string]*object  `json:"answers"`    // by message; "@Name" stands for another one
	Errors     map[string][]string `json:"errors"`     // by reason: what hisgate says in English and Chinese
}

// link puts the answers in where others name them.
func (e *examples) link() error {
	for name, a := range e.Answers {
		v, err := e.linked(a, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		e.Answers[name] = v.(*object)
	}
	return nil
}

func (e *examples) linked(v any, depth int) (any, error) {
	if depth > 20 {
		return nil, fmt.Errorf("an example that holds itself")
	}
	switch v := v.(type) {
	case *object:
		out := newObject()
		for _, key := range v.keys {
			in, err := e.linked(v.values[key], depth+1)
			if err != nil {
				return nil, err
			}
			out.set(key, in)
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			in, err := e.linked(v[i], depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = in
		}
		return out, nil
	case string:
		name, isLink := strings.CutPrefix(v, "@")
		if !isLink {
			return v, nil
		}
		a, ok := e.Answers[name]
		if !ok {
			return nil, fmt.Errorf("there is no example of %s", name)
		}
		return e.linked(a, depth+1)
	default:
		return v, nil
	}
}

// failure is the body of an error, as hisgate answers it.
func (e *examples) failure(code int, reason string) *object {
	message, zh := strings.ToLower(strings.ReplaceAll(reason, "_", " ")), ""
	if words := e.Errors[reason]; len(words) == 2 {
		message, zh = words[0], words[1]
	}
	details := []any{newObject("@type", "type.googleapis.com/google.rpc.ErrorInfo", "reason", reason, "domain", "hisgate", "metadata", newObject())}
	if zh != "" {
		details = append(details, newObject("@type", "type.googleapis.com/google.rpc.LocalizedMessage", "locale", "zh-CN", "message", zh))
	}
	if reason == "STOCK_INSUFFICIENT" {
		short := newObject("drug_id", e.Parameters["drug_id"], "requested", "30", "available", "20")
		details = append(details, newObject("@type", "type.googleapis.com/hisgate.v1.Shortages", "shortages", []any{short}))
	}
	if code == codeUnavailable || code == codeExhausted {
		details = append(details, newObject("@type", "type.googleapis.com/google.rpc.RetryInfo", "retry_delay", "1s"))
	}
	return newObject("code", code, "message", message, "details", details)
}
