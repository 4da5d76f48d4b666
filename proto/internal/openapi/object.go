package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// object is a JSON object that keeps its order. A value is an *object, an array
// ([]any), or what encoding/json makes of the rest.
type object struct {
	keys   []string
	values map[string]any
}

func newObject(pairs ...any) *object {
	o := &object{values: map[string]any{}}
	for i := 0; i < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// get walks down by keys; nil where there is nothing.
func (o *object) get(path ...string) any {
	var v any = o
	for _, key := range path {
		in, ok := v.(*object)
		if !ok || in == nil {
			return nil
		}
		v = in.values[key]
	}
	return v
}

func (o *object) object(path ...string) *object {
	in, _ := o.get(path...).(*object)
	return in
}

func (o *object) text(path ...string) string {
	s, _ := o.get(path...).(string)
	return s
}

// set keeps the place of a key that is there.
func (o *object) set(key string, v any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := value(dec)
	if err != nil {
		return err
	}
	in, ok := v.(*object)
	if !ok {
		return errors.New("not an object")
	}
	*o = *in
	return nil
}

// value reads one value.
func value(dec *json.Decoder) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := newObject()
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := value(dec)
			if err != nil {
				return nil, err
			}
			o.set(key.(string), v)
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := value(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	default:
		return t, nil
	}
}

// MarshalJSON implements json.Marshaler.
func (o *object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := enc.Encode(key); err != nil {
			return nil, err
		}
		out.WriteByte(':')
		if err := enc.Encode(o.values[key]); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
