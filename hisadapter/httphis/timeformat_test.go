package httphis

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is written in a format is read from it again, in China's time.
func TestTimesAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(946684800, 4102444800-86400).Draw(t, "seconds"), 0)
		pattern := rapid.SampledFrom([]string{
			"yyyy-MM-dd HH:mm:ss", "yyyyMMddHHmmss", "yyyyMMddHHmmssSSS", "yyyy/M/d H:m:s", "yy年MM月dd日 HHmmss", "yyyy-MM-ddTHH:mm:ss.SSSZ",
			"dd.MM.yyyy HH:mm:ss", "unix", "unix_ms", "rfc3339",
		}).Draw(t, "pattern")
		f, err := parseTimeFormat(pattern)
		if err != nil {
			t.Fatal(err)
		}
		s := f.write(at)
		got, err := f.read(s)
		if err != nil || !got.Equal(at) {
			t.Fatalf("%s: %v was written as %s and read as %v, %v", pattern, at, s, got, err)
		}
	})
}

func TestTimesThatAreNone(t *testing.T) {
	for _, tc := range [][2]string{
		{"yyyy-MM-dd", "2026-02-30"},
		{"yyyy-MM-dd", "2026-2-3"},
		{"yyyy-MM-dd", "2026-02-03x"},
		{"yyyy-MM-dd", "0000-00-00"},
		{"yyyy-MM-dd HH:mm", "2026-02-03 24:00"},
		{"yyyyMMdd", "2026020"},
		{"yyyy/M/d", "2026/13/1"},
		{"unix", "-5"},
		{"unix_ms", "soon"},
		{"rfc3339", "2026-02-03 00:00:00"},
		{"yyyy", ""},
	} {
		f, err := parseTimeFormat(tc[0])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.read(tc[1]); err == nil {
			t.Errorf("%q passes as %s: %v", tc[1], tc[0], got)
		}
	}
}
