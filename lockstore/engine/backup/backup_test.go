package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/backup"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

func filled(t *testing.T) (*memengine.Engine, map[string]string) {
	t.Helper()
	e, all := memengine.New(memengine.Options{}), map[string]string{}
	var writes []engine.Write
	for i := range 300 {
		k, v := fmt.Sprintf("k%03d\x00\xff", i), string(bytes.Repeat([]byte{byte(i)}, i*7))
		all[k] = v
		writes = append(writes, engine.Write{Key: []byte(k), Value: []byte(v)})
	}
	if err := e.Apply(writes); err != nil {
		t.Fatal(err)
	}
	return e, all
}

func written(t *testing.T, r engine.Reader) ([]byte, backup.Summary) {
	t.Helper()
	var b bytes.Buffer
	s, err := backup.Write(t.Context(), &b, r, backup.Header{CreatedAt: time.Unix(1e9, 0).UTC(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Bytes != int64(b.Len()) {
		t.Errorf("%d bytes were written, the summary says %d", b.Len(), s.Bytes)
	}
	return b.Bytes(), s
}

func read(b []byte) (all map[string]string, s backup.Summary, err error) {
	all = map[string]string{}
	s, err = backup.Read(bytes.NewReader(b), func(backup.Header) error { return nil }, func(k, v []byte) error {
		all[string(k)] = string(v)
		return nil
	})
	return all, s, err
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	e, all := filled(t)
	b, wrote := written(t, e)
	got, s, err := read(b)
	if err != nil || s != wrote || s.Epoch != 1 || s.Version != "test" || s.Keys != int64(len(all)) {
		t.Fatalf("read %+v, %v, want %+v", s, err, wrote)
	}
	for k, v := range all {
		if got[k] != v {
			t.Errorf("%q is %d bytes, want %d", k, len(got[k]), len(v))
		}
	}
	empty, _ := written(t, memengine.New(memengine.Options{}))
	if got, s, err := read(empty); err != nil || len(got) != 0 || s.Keys != 0 {
		t.Errorf("nothing became %v, %+v, %v", got, s, err)
	}
}

// No byte can be lost or changed unseen.
func TestEveryCutAndEveryFlippedByteIsSeen(t *testing.T) {
	e := memengine.New(memengine.Options{})
	if err := e.Apply([]engine.Write{{Key: []byte("a"), Value: []byte("one")}, {Key: []byte("b")}, {Key: []byte("c"), Value: bytes.Repeat([]byte("x"), 200)}}); err != nil {
		t.Fatal(err)
	}
	b, _ := written(t, e)
	for n := range b {
		if _, _, err := read(b[:n]); !errors.Is(err, backup.ErrCut) && !errors.Is(err, backup.ErrNotBackup) {
			t.Errorf("cut off after %d of %d bytes: %v", n, len(b), err)
		}
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[n] ^= 1 << bit
			if _, _, err := read(bad); !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrCut) && !errors.Is(err, backup.ErrNotBackup) {
				t.Errorf("byte %d, bit %d flipped: %v", n, bit, err)
			}
		}
	}
	if _, _, err := read(append(bytes.Clone(b), 0)); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("with a byte more: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("hisgate backup 1\n\x02{}\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, s, err := read(b); err == nil && int64(len(all)) != s.Keys {
			t.Errorf("%d keys, the summary says %d", len(all), s.Keys)
		}
	})
}

func TestErrorsOnTheWay(t *testing.T) {
	e, _ := filled(t)
	full := errors.New("full")
	if _, err := backup.Write(t.Context(), failing{full}, e, backup.Header{}); !errors.Is(err, full) {
		t.Errorf("writing to a full disk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup.Write(ctx, &bytes.Buffer{}, e, backup.Header{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	b, _ := written(t, e)
	if _, err := backup.Read(bytes.NewReader(b), func(backup.Header) error { return full }, nil); !errors.Is(err, full) {
		t.Errorf("refused at the header: %v", err)
	}
	if _, err := backup.Read(bytes.NewReader(b), func(backup.Header) error { return nil }, func(_, _ []byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("refused at a key: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
