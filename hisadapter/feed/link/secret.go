package link

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile bounds what is read of a file.
const maxFile = 1 << 20

// Secret reads a secret that fills a file of its own; one line break behind it is
// not part of it. It is "" where path is. No error holds any of it.
func Secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := read(path)
	if err != nil {
		return "", err
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case s == "":
		return "", fmt.Errorf("%s is empty", path)
	case strings.ContainsAny(s, "\r\n"):
		return "", fmt.Errorf("%s has several lines; a secret has one", path)
	}
	return s, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return b, nil
}
