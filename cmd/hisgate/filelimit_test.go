package main

import "testing"

// There are no more connections than a process may open files for.
func TestConnectionsFitTheFilesOfAProcess(t *testing.T) {
	for _, tt := range []struct{ files, listeners, connections, want int }{
		{65_536, 3, 10_000, 10_000},
		{0, 3, 10_000, 10_000},
		{4096, 2, 10_000, 1548},
		{4096, 2, 100, 100},
		{300, 2, 10_000, 75},
		{4096, 2, 0, 1548},
	} {
		if got := (Limits{Connections: tt.connections}).fitting(tt.files, tt.listeners); got.Connections != tt.want {
			t.Errorf("%+v: %d connections", tt, got.Connections)
		}
	}
}
