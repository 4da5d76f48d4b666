package badgerengine_test

import (
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	"github.com/hisgate/hisgate/lockstore/engine/enginetest"
)

func TestConformance(t *testing.T) {
	run := func(opts badgerengine.Options) func(t *testing.T) {
		return func(t *testing.T) {
			t.Parallel()
			enginetest.Run(t, func(t *testing.T) enginetest.Store {
				dir := t.TempDir()
				return func(t *testing.T) engine.Engine {
					e, err := badgerengine.Open(dir, opts)
					if err != nil {
						t.Fatal(err)
					}
					return e
				}
			})
		}
	}
	t.Run("plain", run(badgerengine.Options{}))
	t.Run("encrypted", run(badgerengine.Options{EncryptionKey: []byte("0123456789abcdef0123456789abcdef")}))
}
