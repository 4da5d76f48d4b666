package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: openapi examples.json hisgate.swagger.json")
		os.Exit(2)
	}
	if err := complete(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

// complete rewrites the document in place.
func complete(examplesFile, documentFile string) error {
	var ex examples
	if err := load(examplesFile, &ex); err != nil {
		return err
	}
	var doc object
	if err := load(documentFile, &doc); err != nil {
		return err
	}
	if err := ex.link(); err != nil {
		return fmt.Errorf("%s: %w", examplesFile, err)
	}
	if err := enrich(&doc, &ex); err != nil {
		return err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&doc); err != nil {
		return err
	}
	return os.WriteFile(documentFile, out.Bytes(), 0o644)
}

func load(file string, v any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
