package httphis_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// Whatever a source sends, reading it neither panics nor makes a change without a
// pharmacy and a drug, nor a figure out of bounds.
func FuzzChanges(f *testing.F) {
	var mappings []*httphis.ChangeMapping
	for _, name := range []string{"json", "xml-gb18030", "debezium", "outbox"} {
		m, err := httphis.LoadChanges(filepath.Join(feedExamples, name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		mappings = append(mappings, m)
		body, err := os.ReadFile(filepath.Join(feedExamples, name+".message"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, m := range mappings {
			said, err := m.Read(httphis.Message{Body: body, Sequence: 1}, noon)
			for _, c := range said.List {
				if c.Key.PharmacyID == "" || c.Key.DrugID == "" || c.OnHand != nil && (*c.OnHand > 1e12 || *c.OnHand < -1e12) {
					t.Errorf("%+v, %v", c, err)
				}
			}
			if len(said.List) == 0 && said.Skipped == "" && said.Ignored == 0 && err == nil {
				t.Errorf("%q says nothing, and that is no fault", body)
			}
		}
	})
}
