//go:build oracle

package outbox_test

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// Nobody is there: it is the driver of Oracle that says so.
func TestOracleIsDialled(t *testing.T) {
	d, err := outbox.New(outbox.Settings{
		Database:     sqldb.Settings{Dialect: sqldb.Oracle, Host: "127.0.0.1", Port: 1, Database: "ORCL", User: "hisgate", ConnectTimeout: 10 * time.Second},
		PositionFile: t.TempDir() + "/position",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context(), newReaders(t).sink()); err == nil {
		t.Error("Run has connected to nobody")
	}
}
