package program

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestScrape(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "# HELP x y\ngo_goroutines 12\na{op=\"x y\",b=\"{}\"} 3\na{op=\"z\"} 4.5\n")
	}))
	defer srv.Close()
	m, err := Scrape(t.Context(), srv.URL)
	if err != nil || m["go_goroutines"] != 12 || m["a"] != 7.5 {
		t.Errorf("%v, %v", m, err)
	}
}
