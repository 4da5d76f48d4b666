package payflow

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Records are JSON. A build that meets fields it does not know keeps them as
// they came, so going back one version loses nothing; a format number above its
// own it refuses, because that stands for a change of meaning.
const recordFormat = 1

// rawField is a field of a record that this build does not know.
type rawField = json.RawMessage

// FormatError: a record was written by a newer hisgate that changed its meaning,
// or it is damaged. Open returns it: nothing may be concluded without it.
type FormatError struct {
	Key string
	Err error
}

func (e *FormatError) Error() string { return fmt.Sprintf("record %q: %v", e.Key, e.Err) }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

func encodeOrder(o *Order) ([]byte, error) {
	o.Format = recordFormat
	data, err := json.Marshal(o)
	if err != nil || len(o.extra) == 0 {
		return data, err
	}
	all := map[string]rawField{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	for k, v := range o.extra {
		if _, known := all[k]; !known {
			all[k] = v
		}
	}
	return json.Marshal(all)
}

func decodeOrder(key, data []byte) (*Order, error) {
	o := &Order{}
	if err := json.Unmarshal(data, o); err != nil {
		return nil, &FormatError{Key: string(key), Err: err}
	}
	if o.Format > recordFormat {
		return nil, &FormatError{Key: string(key), Err: fmt.Errorf("format %d is newer than %d", o.Format, recordFormat)}
	}
	if !o.State.known() {
		return nil, &FormatError{Key: string(key), Err: fmt.Errorf("state %q is not known", o.State)}
	}
	all := map[string]rawField{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, &FormatError{Key: string(key), Err: err}
	}
	t := reflect.TypeFor[Order]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(all, name)
	}
	if len(all) > 0 {
		o.extra = all
	}
	return o, nil
}

func encodeCase(c *Case) ([]byte, error) {
	c.Format = recordFormat
	return json.Marshal(c)
}

func decodeCase(key, data []byte) (*Case, error) {
	c := &Case{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, &FormatError{Key: string(key), Err: err}
	}
	if c.Format > recordFormat {
		return nil, &FormatError{Key: string(key), Err: fmt.Errorf("format %d is newer than %d", c.Format, recordFormat)}
	}
	return c, nil
}

// etag is a version as callers carry it.
func etag(version int64) string { return strconv.FormatInt(version, 10) }

// The keys. Active orders and open cases stand under prefixes of their own, so
// that opening costs what is active.
const (
	prefixActive = "o/a/" // order_no → order with work left
	prefixEnded  = "o/e/" // order_no → order at rest
	prefixTime   = "o/t/" // inverted creation time, order_no → nothing: newest first
	prefixRx     = "o/x/" // prescription number, 0, order_no → nothing: live and fulfilled orders [D5]
	prefixInbox  = "o/i/" // sequence → letter [D3]
	prefixCase   = "o/c/" // id → open case
	prefixOld    = "o/d/" // id → closed case
	prefixOldAt  = "o/u/" // inverted closing time, id → nothing
	keyBrake     = "o/b"
)

func keyActive(no string) []byte { return []byte(prefixActive + no) }
func keyEnded(no string) []byte  { return []byte(prefixEnded + no) }
func keyCase(id string) []byte   { return []byte(prefixCase + id) }
func keyOld(id string) []byte    { return []byte(prefixOld + id) }

func keyRx(rx, no string) []byte { return []byte(prefixRx + rx + "\x00" + no) }

func keyInbox(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefixInbox), seq)
}

// keyTime sorts later times first.
func keyTime(prefix string, t time.Time, id string) []byte {
	k := binary.BigEndian.AppendUint64([]byte(prefix), ^uint64(t.UnixNano()))
	return append(k, id...)
}

// idOfTime is the identity at the end of a key made by keyTime.
func idOfTime(prefix string, key []byte) string { return string(key[len(prefix)+8:]) }

// after is the first key behind all that begin with prefix.
func after(prefix string) []byte {
	b := []byte(prefix)
	b[len(b)-1]++
	return b
}
