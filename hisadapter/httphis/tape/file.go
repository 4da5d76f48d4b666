package tape

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"
)

// headFile stands beside the exchanges.
const headFile = "tape.yaml"

// Head is what must be the same when a tape is played.
type Head struct {
	Begun      time.Time         `yaml:"begun"` // of the clock that counts then
	Seed       string            `yaml:"seed"`
	Pharmacy   string            `yaml:"pharmacy"`
	Drugs      []string          `yaml:"drugs"`
	Unknown    string            `yaml:"unknown,omitempty"`
	Batch      int               `yaml:"batch"`
	HisNoMax   int               `yaml:"his_no_max"`
	Write      bool              `yaml:"write"`
	Place      bool              `yaml:"place"`
	MaxQty     int64             `yaml:"max_qty"`
	Attributes map[string]string `yaml:"attributes,omitempty"` // their values masked
}

// entry is one exchange.
type entry struct {
	Op       string              `yaml:"op"`
	Call     int                 `yaml:"call,omitempty"`
	At       time.Time           `yaml:"at"`
	Duration time.Duration       `yaml:"duration"`
	Method   string              `yaml:"method"`
	URL      string              `yaml:"url"`
	Header   map[string][]string `yaml:"header,omitempty"`
	Parts    []part              `yaml:"parts,omitempty"`
	Body     string              `yaml:"body,omitempty"`
	Status   int                 `yaml:"status"` // 0 = there was no answer
	Answer   map[string][]string `yaml:"answer_header,omitempty"`
	Outcome  string              `yaml:"outcome"`
	Rule     int                 `yaml:"rule,omitempty"` // line of the mapping
	Then     string              `yaml:"then,omitempty"`
	Error    string              `yaml:"error,omitempty"`
	// NotSent: nothing left hisgate.
	NotSent bool `yaml:"not_sent,omitempty"`
}

type part struct {
	Name string `yaml:"name"`
	Text string `yaml:"text"`
}

// write makes a file that must not be there, for its owner alone.
func write(dir, name string, text []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func writeYAML(dir, name string, v any) error {
	b, err := yaml.Dump(v)
	if err != nil {
		return err
	}
	return write(dir, name, b)
}

func readYAML(dir, name string, v any) error {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := yaml.Load(b, v, yaml.WithKnownFields()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	return nil
}
