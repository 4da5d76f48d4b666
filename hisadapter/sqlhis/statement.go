package sqlhis

import (
	"fmt"
	"strings"
)

// statement is SQL cut at its named parameters.
type statement struct {
	parts []part
	verb  string // the first word, in lower case
}

// part is literal SQL, followed by a parameter unless name is empty.
type part struct {
	text  string
	name  string
	array bool // the parameter stands in ANY( ) of PostgreSQL, and is bound as one array
	line  int  // of the parameter, counted from 0 within the statement
}

// parseStatement finds the parameters (:name) outside of strings, quoted names
// and comments. d is the dialect, whose quoting counts.
func parseStatement(sql, d string) (statement, error) {
	l := &lexer{in: sql, dialect: d}
	for l.at < len(l.in) {
		if err := l.step(); err != nil {
			return statement{}, fmt.Errorf("line %d of the statement: %w", 1+strings.Count(l.in[:l.at], "\n"), err)
		}
	}
	l.out.parts = append(l.out.parts, part{text: l.in[l.from:]})
	if l.out.verb == "" {
		return statement{}, fmt.Errorf("there is no statement")
	}
	return l.out, nil
}

type lexer struct {
	in, dialect string
	at, from    int
	out         statement
}

// step passes one token.
func (l *lexer) step() error {
	rest := l.in[l.at:]
	c := rest[0]
	switch {
	case c == '\'':
		backslash := l.dialect == MySQL || l.dialect == Postgres && l.at > 0 && (l.in[l.at-1] == 'E' || l.in[l.at-1] == 'e')
		return l.quoted('\'', backslash)
	case c == '"':
		return l.quoted('"', l.dialect == MySQL)
	case c == '`' && l.dialect == MySQL:
		return l.quoted('`', false)
	case c == '[' && l.dialect == SQLServer:
		return l.quoted(']', false)
	case strings.HasPrefix(rest, "--"), c == '#' && l.dialect == MySQL:
		l.until("\n")
	case strings.HasPrefix(rest, "/*"):
		if !l.until("*/") {
			return fmt.Errorf("a comment does not end")
		}
	case c == '$' && l.dialect == Postgres:
		return l.dollar()
	case c == '?' && l.dialect == MySQL:
		return fmt.Errorf("write :name instead of ?")
	case strings.HasPrefix(rest, "::"), strings.HasPrefix(rest, ":="):
		l.at += 2
	case c == ':' && len(rest) > 1 && isNameStart(rest[1]):
		l.param()
	case isNameStart(c) || c >= 'A' && c <= 'Z':
		l.word()
	default:
		l.at++
	}
	return nil
}

// quoted passes a string or name; a doubled quote stands for itself.
func (l *lexer) quoted(end byte, backslash bool) error {
	for i := l.at + 1; i < len(l.in); i++ {
		switch {
		case l.in[i] == '\\' && backslash:
			i++
		case l.in[i] == end && i+1 < len(l.in) && l.in[i+1] == end:
			i++
		case l.in[i] == end:
			l.at = i + 1
			return nil
		}
	}
	return fmt.Errorf("%c… does not end", l.in[l.at])
}

// until passes everything up to and with end. It reports whether end was there.
func (l *lexer) until(end string) bool {
	i := strings.Index(l.in[l.at:], end)
	if i < 0 {
		l.at = len(l.in)
		return false
	}
	l.at += i + len(end)
	return true
}

// dollar passes $tag$…$tag$. $1 would be taken for one of our own placeholders.
func (l *lexer) dollar() error {
	end := l.at + 1
	for end < len(l.in) && (isNamePart(l.in[end]) || l.in[end] >= 'A' && l.in[end] <= 'Z') {
		end++
	}
	if end == len(l.in) || l.in[end] != '$' || end > l.at+1 && l.in[l.at+1] <= '9' {
		return fmt.Errorf("write :name instead of $1")
	}
	tag := l.in[l.at : end+1]
	l.at = end + 1
	if !l.until(tag) {
		return fmt.Errorf("%s… does not end", tag)
	}
	return nil
}

func (l *lexer) param() {
	end := l.at + 1
	for end < len(l.in) && isNamePart(l.in[end]) {
		end++
	}
	before := l.in[l.from:l.at]
	open, _ := strings.CutSuffix(strings.TrimRight(strings.ToLower(before), " \t\r\n"), "(")
	words := strings.Fields(open)
	l.out.parts = append(l.out.parts, part{
		text: before, name: l.in[l.at+1 : end], line: strings.Count(l.in[:l.at], "\n"),
		array: l.dialect == Postgres && len(open) < len(strings.TrimRight(before, " \t\r\n")) && len(words) > 0 && strings.HasSuffix(words[len(words)-1], "any"),
	})
	l.at, l.from = end, end
}

func (l *lexer) word() {
	start := l.at
	for l.at < len(l.in) && (isNamePart(l.in[l.at]) || l.in[l.at] >= 'A' && l.in[l.at] <= 'Z') {
		l.at++
	}
	if l.out.verb == "" {
		l.out.verb = strings.ToLower(l.in[start:l.at])
	}
}

// Names of parameters are of small letters, digits and _, so that Chinese text
// with a colon before it is no parameter.
func isNameStart(c byte) bool { return c >= 'a' && c <= 'z' || c == '_' }
func isNamePart(c byte) bool  { return isNameStart(c) || c >= '0' && c <= '9' }

// asksRows reports whether the statement answers with rows by its nature.
func (s statement) asksRows() bool {
	switch s.verb {
	case "select", "with", "values", "show", "table":
		return true
	default:
		return false
	}
}
