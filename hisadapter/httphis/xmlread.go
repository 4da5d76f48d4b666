package httphis

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// readXML reads text that is already decoded as one XML document. The encoding
// that the document declares for itself is ignored: inside a string it is often
// wrong. There is no DOCTYPE and so no entity beyond XML's own five.
func readXML(text string) (*node, error) {
	root, err := readMarkup(text)
	if err != nil {
		return nil, err
	}
	if root.first == nil || root.first != root.last || root.first.isText {
		return nil, errors.New("not an XML document: it must have exactly one outermost element")
	}
	return root, nil
}

// readMarkup reads a piece of XML: balanced elements, any number of them.
func readMarkup(text string) (*node, error) {
	b := newBuilder()
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	at, depth := b.root, 0
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return nil, fmt.Errorf("the XML is more than %d elements deep", maxDepth)
			}
			n := &node{name: t.Name.Local, prefix: t.Name.Space}
			for _, a := range t.Attr {
				if b.nodes++; b.nodes > maxNodes {
					return nil, fmt.Errorf("the document has more than %d parts", maxNodes)
				}
				n.attrs = append(n.attrs, attr{a.Name.Local, a.Name.Space, a.Value})
			}
			if err := b.append(at, n); err != nil {
				return nil, err
			}
			at = n
		case xml.EndElement:
			if at.parent == nil || at.name != t.Name.Local || at.prefix != t.Name.Space {
				return nil, fmt.Errorf("not XML: </%s> closes nothing", t.Name.Local)
			}
			at = at.parent
			depth--
		case xml.CharData:
			s := string(t)
			if at.parent == nil {
				if strings.TrimSpace(s) != "" {
					return nil, errors.New("not XML: there is text outside the elements")
				}
				continue
			}
			if err := b.append(at, &node{isText: true, text: s}); err != nil {
				return nil, err
			}
		case xml.Directive:
			return nil, errors.New("the XML has a DOCTYPE, which is not read")
		}
	}
	if at.parent != nil {
		return nil, fmt.Errorf("not XML: <%s> is not closed", at.name)
	}
	return b.root, nil
}
