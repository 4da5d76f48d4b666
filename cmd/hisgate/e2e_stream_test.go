package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// restStream is a stream over REST: one {"result": …} a line.
type restStream struct{ lines *bufio.Scanner }

func openStream(t *testing.T, ctx context.Context, url string) restStream {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s: %s", url, resp.Status, b)
	}
	return restStream{bufio.NewScanner(resp.Body)}
}

func (s restStream) next(t *testing.T, m proto.Message) proto.Message {
	t.Helper()
	for s.lines.Scan() {
		if len(strings.TrimSpace(s.lines.Text())) == 0 {
			continue
		}
		var line struct {
			Result json.RawMessage
			Error  json.RawMessage
		}
		if err := json.Unmarshal(s.lines.Bytes(), &line); err != nil || line.Error != nil {
			t.Fatalf("the stream says %s (%v)", s.lines.Text(), err)
		}
		if err := protojson.Unmarshal(line.Result, m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Fatalf("the stream ended: %v", s.lines.Err())
	return nil
}

// end reads the stream to its end and returns its last line.
func (s restStream) end(t *testing.T) (last string) {
	t.Helper()
	for s.lines.Scan() {
		if line := strings.TrimSpace(s.lines.Text()); line != "" {
			last = line
		}
	}
	if err := s.lines.Err(); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	return last
}
