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
	SQL        bool              `yaml:"sql,omitempty"`
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

func readYAML(file string, v any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return parseYAML(file, b, v)
}

func parseYAML(file string, doc []byte, v any) error {
	if err := yaml.Load(doc, v, yaml.WithKnownFields()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
