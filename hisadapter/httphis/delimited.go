package httphis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// layout is how a delimited text is cut: a|b|c, one row a line or otherwise.
type layout struct {
	rows, columns string
	names         []string // of the columns; with names their number must fit
	ended         bool     // every row ends with the separator, so that a cut answer shows
}

// read makes the document /rows/row/c1, c2 … (or the names). Empty rows, which
// a trailing separator leaves, do not count.
func (l layout) read(text string) (*node, error) {
	b := newBuilder()
	top, err := b.element(b.root, "rows")
	if err != nil {
		return nil, err
	}
	if l.rows == "\n" {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	if l.ended && !strings.HasSuffix(text, l.rows) {
		return nil, errors.New("the last row has no end: the answer was cut")
	}
	for line := range strings.SplitSeq(text, l.rows) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		row, err := b.element(top, "row")
		if err != nil {
			return nil, err
		}
		columns := strings.Split(line, l.columns)
		if l.names != nil && len(columns) != len(l.names) {
			return nil, fmt.Errorf("a row has %d columns, not %d", len(columns), len(l.names))
		}
		for i, c := range columns {
			name := "c" + strconv.Itoa(i+1)
			if l.names != nil {
				name = l.names[i]
			}
			if err := b.leaf(row, name, c); err != nil {
				return nil, err
			}
		}
	}
	return b.root, nil
}
