package httphis

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// china is the zone of every HIS's clock. China has had no summer time since
// 1991, so the fixed zone is right and needs no time zone data.
var china = time.FixedZone("Asia/Shanghai", 8*60*60)

// timeFormat is a way to write times: a pattern such as yyyy-MM-dd HH:mm:ss, as
// Java and .NET have it, or unix, unix_ms, rfc3339.
type timeFormat struct {
	pattern string
	pieces  []timePiece // of a pattern
}

// timePiece is a figure of a time, or text between figures.
type timePiece struct {
	letter byte // y M d H m s S; 0 = text
	width  int  // digits; 1 = as many as it takes
	text   string
}

func parseTimeFormat(pattern string) (timeFormat, error) {
	f := timeFormat{pattern: pattern}
	switch pattern {
	case "":
		return f, errors.New("the time format is empty")
	case "unix", "unix_ms", "rfc3339":
		return f, nil
	}
	for i := 0; i < len(pattern); {
		c, n := pattern[i], 1
		for i+n < len(pattern) && pattern[i+n] == c {
			n++
		}
		run := pattern[i : i+n]
		i += n
		switch {
		case run == "yyyy" || run == "yy" || strings.IndexByte("MdHms", c) >= 0 && n <= 2 || c == 'S' && n <= 9:
			f.pieces = append(f.pieces, timePiece{letter: c, width: n})
		case c == 'T' && n == 1 || c == 'Z' && n == 1:
			f.pieces = append(f.pieces, timePiece{text: run})
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			return f, fmt.Errorf("time format %q: %q is not known (yyyy MM dd HH mm ss SSS, unix, unix_ms, rfc3339)", pattern, run)
		default:
			f.pieces = append(f.pieces, timePiece{text: run})
		}
	}
	return f, nil
}

// write is the time in China.
func (f timeFormat) write(t time.Time) string {
	t = t.In(china)
	switch f.pattern {
	case "unix":
		return strconv.FormatInt(t.Unix(), 10)
	case "unix_ms":
		return strconv.FormatInt(t.UnixMilli(), 10)
	case "rfc3339":
		return t.Format(time.RFC3339)
	}
	var sb strings.Builder
	for _, p := range f.pieces {
		switch p.letter {
		case 0:
			sb.WriteString(p.text)
		case 'S':
			sb.WriteString(fmt.Sprintf("%09d", t.Nanosecond())[:p.width])
		default:
			figure := map[byte]int{
				'y': t.Year(), 'M': int(t.Month()), 'd': t.Day(), 'H': t.Hour(), 'm': t.Minute(), 's': t.Second(),
			}[p.letter]
			if p.letter == 'y' && p.width == 2 {
				figure %= 100
			}
			fmt.Fprintf(&sb, "%0*d", p.width, figure)
		}
	}
	return sb.String()
}

// end is when the day of a time read in the format is over, or its month where the
// format has no day, as 有效期至2026年11月 means it.
func (f timeFormat) end(t time.Time) time.Time {
	month := len(f.pieces) > 0 && !slices.ContainsFunc(f.pieces, func(p timePiece) bool { return p.letter == 'd' })
	t = t.In(china)
	if month {
		return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, china)
	}
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, china)
}

// read takes a time written without a zone for China's.
func (f timeFormat) read(s string) (time.Time, error) {
	wrong := fmt.Errorf("%q is not a time written as %s", s, f.pattern)
	switch f.pattern {
	case "unix", "unix_ms":
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n <= 0 || n > 1e14 {
			return time.Time{}, wrong
		}
		if f.pattern == "unix" {
			return time.Unix(n, 0), nil
		}
		return time.UnixMilli(n), nil
	case "rfc3339":
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return t, wrong
		}
		return t, nil
	}
	figures := map[byte]int{'M': 1, 'd': 1}
	for _, p := range f.pieces {
		if p.letter == 0 {
			rest, ok := strings.CutPrefix(s, p.text)
			if !ok {
				return time.Time{}, wrong
			}
			s = rest
			continue
		}
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' && (n < p.width || p.width == 1 && n < 2 && p.letter != 'S') {
			n++
		}
		if n < p.width {
			return time.Time{}, wrong
		}
		figures[p.letter], _ = strconv.Atoi(s[:n]) // digits only
		if p.letter == 'S' {
			figures['S'], _ = strconv.Atoi(s[:n] + strings.Repeat("0", 9-n))
		}
		if p.letter == 'y' && p.width == 2 {
			figures['y'] += 2000
		}
		s = s[n:]
	}
	t := time.Date(figures['y'], time.Month(figures['M']), figures['d'], figures['H'], figures['m'], figures['s'], figures['S'], china)
	if s != "" || t.Day() != figures['d'] || t.Month() != time.Month(figures['M']) || t.Hour() != figures['H'] || figures['y'] == 0 ||
		t.Minute() != figures['m'] || t.Second() != figures['s'] {
		return time.Time{}, wrong
	}
	return t, nil
}
