package httphis

import (
	"strings"
	"testing"
)

// What a row asks of its surroundings is asked again for each row: attributes and
// empty elements there count as work too.
func TestSurroundingsOfManyRowsAreWork(t *testing.T) {
	for at, doc := range map[string]string{
		"/rows/@name": `<rows` + strings.Repeat(` a=""`, 1000) + ` name="n"></rows>`,
		"/rows/name":  `<rows><name>` + strings.Repeat("<e/>", 1000) + `</name></rows>`,
	} {
		root, err := readXML(doc)
		if err != nil {
			t.Fatal(err)
		}
		r := newReader()
		if _, found, err := r.text(root, path{src: at}); err != nil || !found {
			t.Fatal(at, found, err)
		}
		if spent := maxWork - r.left; spent < 1000 {
			t.Errorf("%s: 1000 places were looked at for %d", at, spent)
		}
	}
}
