package natsfeed

import (
	"slices"
	"strings"
)

// isName reports whether s can name a stream or a consumer.
func isName(s string) bool {
	return s != "" && !strings.ContainsAny(s, ">*. /\\") && !strings.ContainsFunc(s, blank)
}

// isFilter reports whether s is a subject, perhaps with wildcards.
func isFilter(s string) bool {
	tokens := strings.Split(s, ".")
	for i, t := range tokens {
		switch {
		case t == "" || strings.ContainsFunc(t, blank):
			return false
		case t == ">" && i < len(tokens)-1:
			return false
		case len(t) > 1 && strings.ContainsAny(t, "*>"):
			return false
		}
	}
	return true
}

func blank(r rune) bool { return r <= ' ' || r == 0x7f }

func coveredByAny(filters []string, subject string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return covers(f, subject) })
}

// covers reports whether a filter lets a subject without wildcards through.
func covers(filter, subject string) bool {
	f, s := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, t := range f {
		switch {
		case t == ">":
			return len(s) > i
		case i >= len(s) || t != "*" && t != s[i]:
			return false
		}
	}
	return len(f) == len(s)
}
