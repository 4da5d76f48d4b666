package memengine_test

import (
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/enginetest"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(*testing.T) enginetest.Store {
		var e *memengine.Engine
		return func(*testing.T) engine.Engine {
			if e == nil {
				e = memengine.New(memengine.Options{})
			} else {
				e = e.Reopen()
			}
			return e
		}
	})
}
