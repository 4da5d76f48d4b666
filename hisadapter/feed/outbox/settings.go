package outbox

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// The ways in which changes are found.
const (
	// ByID reads an outbox: a table that triggers fill, whose ids are given out
	// upwards.
	ByID = "outbox"
	// ByTime reads a view of the stock itself, by the time at which a row was last
	// modified.
	ByTime = "modified"
)

// Settings say which table is read and how.
type Settings struct {
	// Database is how the HIS's database is reached. Of it TLS (disable),
	// ConnectTimeout (5 s), StatementTimeout (10 s) and Zone (Asia/Shanghai) may be
	// left empty; MaxOpen and Idle are not used.
	Database sqldb.Settings
	// Mode is ByID or ByTime; empty = ByID.
	Mode string
	// Table is the outbox, or the view, as one would write it in SQL; empty =
	// hisgate_outbox, or hisgate_modified.
	Table string
	// IDColumn holds the ids of an outbox, whole numbers; empty = id.
	IDColumn string
	// TimeColumn holds the time of the change (of the last modification, where Mode is
	// ByTime); empty = changed_at. "-" = the outbox has none: then messages have no
	// time, and nothing is cleaned.
	TimeColumn string
	// Ordered says that the ids of one drug in one pharmacy follow its changes, so
	// that they are a sequence: there is one row of stock for each, and every outbox
	// row tells of that one. Only ByID.
	Ordered bool
	// Poll is how long the table is left alone after it was read; 20 ms to 1 h, 0 =
	// 200 ms, or 1 s where Mode is ByTime.
	Poll time.Duration
	// Overlap is how long it is waited, at least, for a row whose id, or time, was
	// taken and which is not there; 1 s to 24 h, 0 = 10 min, or 1 min where Mode is
	// ByTime. For a transaction that is held open longer see the package.
	Overlap time.Duration
	// Keep permits to delete rows of the outbox that were consumed this long ago; at
	// least 1 min. 0 = hisgate deletes nothing.
	Keep time.Duration
	// Notify is a channel of PostgreSQL that wakes hisgate before Poll is over; empty =
	// none.
	Notify string
	// PositionFile keeps how far the table was read. Its folder must exist. Where it
	// is lost, everything that still stands in the outbox is read again.
	PositionFile string
}

// complete returns the settings with what was left empty filled in.
func (s Settings) complete() Settings {
	fill := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	last := func(to *time.Duration, value time.Duration) {
		if *to == 0 {
			*to = value
		}
	}
	fill(&s.Mode, ByID)
	fill(&s.IDColumn, "id")
	fill(&s.TimeColumn, "changed_at")
	if s.Mode == ByTime {
		fill(&s.Table, "hisgate_modified")
		last(&s.Poll, time.Second)
		last(&s.Overlap, time.Minute)
	} else {
		fill(&s.Table, "hisgate_outbox")
		last(&s.Poll, 200*time.Millisecond)
		last(&s.Overlap, 10*time.Minute)
	}
	db := &s.Database
	fill(&db.TLS, "disable")
	last(&db.ConnectTimeout, 5*time.Second)
	last(&db.StatementTimeout, 10*time.Second)
	db.MaxOpen, db.Idle = 2, 0 // one reads, one listens
	return s
}

// channel is a name that needs no thought in LISTEN and pg_notify.
var channel = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// SettingError is one setting that is wrong, by its name in YAML; without a name it
// is about several of them.
type SettingError struct{ Setting, Reason string }

// Error says both.
func (e *SettingError) Error() string {
	if e.Setting == "" {
		return e.Reason
	}
	return e.Setting + ": " + e.Reason
}

// check returns everything that is wrong, each a *SettingError.
func (s Settings) check() error {
	var errs []error
	want := func(ok bool, setting, format string, args ...any) {
		if !ok {
			errs = append(errs, &SettingError{setting, fmt.Sprintf(format, args...)})
		}
	}
	between := func(v time.Duration, setting string, low, high time.Duration) {
		want(v >= low && v <= high, setting, "%v is not between %v and %v", v, low, high)
	}
	db := s.Database
	want(slices.Contains([]string{sqldb.Postgres, sqldb.MySQL, sqldb.SQLServer, sqldb.Oracle}, db.Dialect), "dialect",
		"%q is not one of %s, %s, %s, %s", db.Dialect, sqldb.Postgres, sqldb.MySQL, sqldb.SQLServer, sqldb.Oracle)
	want(db.Host != "", "connection.host", "must be set")
	want(db.User != "", "connection.user", "must be set")
	want(db.Port >= 0 && db.Port <= 65535, "connection.port", "%d is not a port", db.Port)
	want(slices.Contains([]string{"disable", "require", "verify"}, db.TLS), "connection.tls", "%q is not one of disable, require, verify", db.TLS)
	between(db.ConnectTimeout, "connection.connect_timeout", 10*time.Millisecond, time.Minute)
	between(db.StatementTimeout, "statement_timeout", 10*time.Millisecond, 10*time.Minute)
	want(s.Mode == ByID || s.Mode == ByTime, "mode", "%q is not one of %s, %s", s.Mode, ByID, ByTime)
	between(s.Poll, "poll", 20*time.Millisecond, time.Hour)
	between(s.Overlap, "overlap", time.Second, 24*time.Hour)
	want(s.Keep == 0 || s.Keep >= time.Minute, "keep", "%v is shorter than 1m (0 = delete nothing)", s.Keep)
	want(s.Keep == 0 || s.Mode == ByID, "keep", "a view is not cleaned; it belongs to mode: %s", ByID)
	want(s.Keep == 0 || s.TimeColumn != "-", "keep", "it needs a time_column")
	want(!s.Ordered || s.Mode == ByID, "ordered", "a view has no ids; it belongs to mode: %s", ByID)
	want(s.Mode != ByTime || s.TimeColumn != "-", "time_column", "mode: %s goes by it", ByTime)
	want(s.Notify == "" || db.Dialect == sqldb.Postgres, "notify", "only %s has it", sqldb.Postgres)
	want(s.Notify == "" || channel.MatchString(s.Notify), "notify", "%q is not a name of a-z, 0-9 and _", s.Notify)
	want(s.PositionFile != "", "position_file", "must be set")
	return errors.Join(errs...)
}

// New checks the settings and returns a driver of them; all faults are joined,
// each a *SettingError. It connects to nothing.
func New(s Settings) (feed.Driver, error) {
	s = s.complete()
	if s.Database.Zone == nil {
		zone, err := time.LoadLocation("Asia/Shanghai")
		if err != nil {
			return nil, &SettingError{"time_zone", err.Error()}
		}
		s.Database.Zone = zone
	}
	words, err := wordsOf(s)
	if err := errors.Join(s.check(), err); err != nil {
		return nil, err
	}
	db, err := sqldb.Open(s.Database) // asks nobody; whether it can be opened at all
	if err != nil {
		return nil, &SettingError{"", err.Error()}
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return &Driver{s: s, words: words, now: time.Now}, nil
}
