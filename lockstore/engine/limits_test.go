package engine_test

import (
	"strings"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
)

func TestLimitsSayWhichOneWasBroken(t *testing.T) {
	small := engine.Limits{Writes: 2, Bytes: 100}
	tests := []struct {
		writes []engine.Write
		want   string // part of the error; "" is none
	}{
		{nil, ""},
		{[]engine.Write{set("a"), set("b")}, ""},
		{[]engine.Write{{Key: []byte(strings.Repeat("k", 68))}}, ""},
		{[]engine.Write{{Key: []byte(strings.Repeat("k", 69))}}, "101 bytes at once, at most 100"},
		{[]engine.Write{set("a"), set("b"), set("c")}, "3 writes at once, at most 2"},
		{[]engine.Write{set("a"), set("")}, "empty key"},
		{[]engine.Write{{Key: make([]byte, engine.MaxKey+1)}}, "key of 4097 bytes, at most 4096"},
		{[]engine.Write{{Key: []byte("a"), Value: make([]byte, engine.MaxValue+1)}}, "value of 524289 bytes, at most 524288"},
	}
	for _, tt := range tests {
		err := small.Check(tt.writes)
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	if err := engine.CheckWrites([]engine.Write{set("a"), set("b"), set("c")}); err != nil {
		t.Error(err)
	}
}
