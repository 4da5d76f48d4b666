package outbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

func TestEverySettingThatIsWrongIsNamed(t *testing.T) {
	_, err := outbox.New(outbox.Settings{
		Database: sqldb.Settings{Dialect: "db2", Port: 70000, TLS: "yes", ConnectTimeout: time.Nanosecond, StatementTimeout: time.Hour},
		Mode:     "both", Table: "a..b", IDColumn: "a.b", TimeColumn: "a\nb",
		Poll: time.Millisecond, Overlap: time.Millisecond, Keep: time.Second, Notify: "x; DROP TABLE y",
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`dialect: "db2" is not one of`, "host: must be set", "user: must be set", "port: 70000 is not a port", `tls: "yes"`,
		"connect_timeout: 1ns", "statement_timeout: 1h0m0s", `mode: "both"`, `table: the name "a..b"`, `id_column: the name "a.b" is not one of a column`,
		"time_column: ", "poll: 1ms is not between 20ms and 1h0m0s", "overlap: 1ms", "keep: 1s is shorter than 1m", "notify: only postgres has it",
		`notify: "x; DROP TABLE y"`, "position_file: must be set",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %q:\n%v", want, err)
		}
	}
}

func TestViewHasNothingOfAnOutbox(t *testing.T) {
	_, err := outbox.New(outbox.Settings{
		Database: sqldb.Settings{Dialect: "mysql", Host: "h", User: "u"}, Mode: outbox.ByTime, TimeColumn: "-", Ordered: true, Keep: time.Hour, PositionFile: "p",
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"keep: a view is not cleaned", "keep: it needs a time_column", "ordered: a view has no ids", "time_column: mode: modified goes by it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %q:\n%v", want, err)
		}
	}
}

// A wrong table, a missing right and a wrong password end Run with an error that
// tells, and shows no secret.
func TestErrorsTellAndShowNoSecret(t *testing.T) {
	each(t, func(t *testing.T, h *hospital) {
		h.install(t, h.options())
		for name, c := range map[string]struct {
			change func(*outbox.Settings)
			want   string
		}{
			"table":  {func(s *outbox.Settings) { s.Table = h.schema + ".nowhere" }, "nowhere"},
			"right":  {func(s *outbox.Settings) { s.Table, s.IDColumn = h.schema+".药房库存", "库存数量" }, "denied"},
			"id":     {func(s *outbox.Settings) { s.IDColumn = "nummer" }, "nummer"},
			"server": {func(s *outbox.Settings) { s.Database.Port = 1 }, "connect"},
		} {
			s := h.settings("hisgate_outbox")
			s.Database.Password = "geheim42"
			if h.Dialect != sqldb.Postgres {
				s.Database.Password = "" // the account has none
			}
			c.change(&s)
			d, err := outbox.New(s)
			if err != nil {
				t.Fatal(err)
			}
			err = d.Run(t.Context(), newReaders(t).sink())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim42") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
