package httphis

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hisgate/hisgate/hisadapter/units"
)

// filter is one step that a value goes through.
type filter struct {
	usage  string
	args   []wanted
	min    int // arguments that must be there
	in     []kind
	out    func(kind) kind // nil = the kind stays
	oneWay bool            // what comes out does not give away what went in
	check  func(sc *scope, args []argument) error
	apply  func(e *env, v value, args []value) (value, error)
}

// wanted is what an argument must be.
type wanted uint8

const (
	wantText  wanted = iota // a text in quotes
	wantCount               // a small number
	wantValue               // a text in quotes, or a name such as secret.key
)

func filterNames() []string {
	return []string{
		"add", "aes_cbc", "aes_ecb", "base64", "bytes", "cut", "default", "hex", "hmac_md5", "hmac_sha1", "hmac_sha256", "hmac_sm3",
		"lookup", "lower", "md5", "number", "packs", "raw", "replace", "sha1", "sha256", "sm3", "split", "time", "trim", "upper",
		"url", "yuan",
	}
}

func always(k kind) func(kind) kind { return func(kind) kind { return k } }

// anything that is printed as it is.
func printable() []kind { return []kind{kText, kNumber, kFen, kQuantity, kBytes} }

// filterNamed finds a filter.
func filterNamed(name string) (filter, bool) {
	onText := func(usage string, f func(string) string) filter {
		return filter{usage: usage, in: printable(), out: always(kText), apply: func(_ *env, v value, _ []value) (value, error) {
			return text(f(v.String())), nil
		}}
	}
	switch name {
	case "default":
		return filter{
			usage: `default "text"`, args: []wanted{wantText}, min: 1, in: printable(), out: always(kText),
			apply: func(_ *env, v value, _ []value) (value, error) { return text(v.String()), nil },
		}, true
	case "raw":
		return filter{usage: "raw", in: printable(), apply: func(_ *env, v value, _ []value) (value, error) { return v, nil }}, true
	case "upper":
		return onText("upper", strings.ToUpper), true
	case "lower":
		return onText("lower", strings.ToLower), true
	case "trim":
		return onText("trim", strings.TrimSpace), true
	case "url":
		return filter{usage: "url", in: printable(), out: always(kText), apply: func(e *env, v value, _ []value) (value, error) {
			b, err := e.charset.encode(v.String())
			return text(url.QueryEscape(string(b))), err
		}}, true
	case "time", "add":
		return timeFilter(name), true
	case "yuan":
		return filter{usage: "yuan", in: []kind{kFen}, out: always(kNumber), apply: func(_ *env, v value, _ []value) (value, error) {
			return value{kind: kNumber, text: units.Yuan(v.n)}, nil
		}}, true
	case "packs":
		return packsFilter(), true
	case "number":
		return filter{usage: "number", in: []kind{kText, kNumber}, out: always(kNumber), apply: toNumber}, true
	case "lookup", "replace", "cut", "split":
		return textFilter(name), true
	case "bytes", "base64", "hex":
		return bytesFilter(name), true
	default:
		return cryptoFilter(name)
	}
}

func timeFilter(name string) filter {
	if name == "add" {
		return filter{
			usage: `add "15m"`, args: []wanted{wantText}, min: 1, in: []kind{kTime},
			check: func(_ *scope, args []argument) error {
				_, err := time.ParseDuration(args[0].text)
				return err
			},
			apply: func(_ *env, v value, args []value) (value, error) {
				d, err := time.ParseDuration(args[0].text)
				v.time = v.time.Add(d)
				return v, err
			},
		}
	}
	return filter{
		usage: `time "yyyy-MM-dd HH:mm:ss"`, args: []wanted{wantText}, min: 1, in: []kind{kTime}, out: always(kText),
		check: func(_ *scope, args []argument) error {
			_, err := parseTimeFormat(args[0].text)
			return err
		},
		apply: func(_ *env, v value, args []value) (value, error) {
			f, err := parseTimeFormat(args[0].text)
			return text(f.write(v.time)), err
		},
	}
}

// packsFilter says a line's quantity in the HIS's packs: exactly, or not at all.
func packsFilter() filter {
	return filter{
		usage: "packs, or packs 3", args: []wanted{wantCount}, in: []kind{kQuantity}, out: always(kNumber),
		check: func(sc *scope, _ []argument) error {
			if !sc.ratio {
				return errors.New("no ratio is known: query_stock reads none, and there is no drugs_file")
			}
			return nil
		},
		apply: func(_ *env, v value, args []value) (value, error) {
			if v.line == nil || !v.line.ratio.IsSet() {
				return value{}, errors.New("the drug's ratio is not known")
			}
			places := 0
			if len(args) > 0 {
				places, _ = strconv.Atoi(args[0].text) // checked when the mapping was loaded
			}
			d, err := v.line.ratio.Outgoing(v.n, places)
			return value{kind: kNumber, text: d.String()}, err
		},
	}
}

func toNumber(_ *env, v value, _ []value) (value, error) {
	s := strings.TrimSpace(v.String())
	if s == "" || strings.ContainsAny(s[:1], `"{[tfn`) || !json.Valid([]byte(s)) {
		return value{}, errors.New("the value is not a number")
	}
	return value{kind: kNumber, text: s}, nil
}

func textFilter(name string) filter {
	f := filter{in: printable(), out: always(kText)}
	switch name {
	case "lookup":
		f.usage, f.args, f.min = `lookup "table"`, []wanted{wantText}, 1
		f.check = func(sc *scope, args []argument) error {
			if _, ok := sc.tables[args[0].text]; !ok {
				return fmt.Errorf("there is no table %q", args[0].text)
			}
			return nil
		}
		f.apply = func(e *env, v value, args []value) (value, error) {
			entry, ok := e.tables[args[0].text][v.String()]
			if !ok {
				return value{}, fmt.Errorf("table %s has no entry %q", args[0].text, v.String())
			}
			return text(entry), nil
		}
	case "replace":
		f.usage, f.args, f.min = `replace "a" "b"`, []wanted{wantText, wantText}, 2
		f.apply = func(_ *env, v value, args []value) (value, error) {
			return text(strings.ReplaceAll(v.String(), args[0].text, args[1].text)), nil
		}
	case "cut":
		f.usage, f.args, f.min = "cut 20", []wanted{wantCount}, 1
		f.apply = func(_ *env, v value, args []value) (value, error) {
			n, _ := strconv.Atoi(args[0].text)
			s := v.String()
			if utf8.RuneCountInString(s) > n {
				s = string([]rune(s)[:n])
			}
			return text(s), nil
		}
	default:
		f.usage, f.args, f.min = `split "^" 1`, []wanted{wantText, wantCount}, 2
		f.check = func(_ *scope, args []argument) error {
			if args[0].text == "" || args[1].text == "0" {
				return errors.New(`write it as: split "^" 1 (the first piece)`)
			}
			return nil
		}
		f.apply = func(_ *env, v value, args []value) (value, error) {
			n, _ := strconv.Atoi(args[1].text)
			pieces := strings.Split(v.String(), args[0].text)
			if n > len(pieces) {
				return value{}, fmt.Errorf("the value has no piece %d", n)
			}
			return text(pieces[n-1]), nil
		}
	}
	return f
}

func bytesFilter(name string) filter {
	f := filter{usage: name, in: printable(), out: always(kText)}
	switch name {
	case "bytes":
		f.usage, f.args, f.min, f.out = `bytes "utf-8"`, []wanted{wantText}, 1, always(kBytes)
		f.check = func(_ *scope, args []argument) error {
			if !slices.Contains(charsetNames(), args[0].text) {
				return fmt.Errorf("%q is not one of %s", args[0].text, strings.Join(charsetNames(), ", "))
			}
			return nil
		}
		f.apply = func(_ *env, v value, args []value) (value, error) {
			b, err := charset(args[0].text).encode(v.String())
			return value{kind: kBytes, bytes: b}, err
		}
	case "base64":
		f.apply = func(e *env, v value, _ []value) (value, error) {
			b, err := e.bytesOf(v)
			return text(base64.StdEncoding.EncodeToString(b)), err
		}
	default:
		f.apply = func(e *env, v value, _ []value) (value, error) {
			b, err := e.bytesOf(v)
			return text(hex.EncodeToString(b)), err
		}
	}
	return f
}
