package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/feed/link"
	"github.com/hisgate/hisgate/hisadapter/feed/outbox"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
)

// FeedOutbox is a feed from a table of the HIS's database.
type FeedOutbox struct {
	Dialect          string           `yaml:"dialect" doc:"postgres, mysql (and MariaDB), sqlserver or oracle."`
	Connection       OutboxConnection `yaml:"connection"`
	StatementTimeout time.Duration    `yaml:"statement_timeout" doc:"One look at the table. 0 = 10s."`
	TimeZone         string           `yaml:"time_zone" doc:"The clock of columns without a zone; empty = Asia/Shanghai."`

	Mode         string        `yaml:"mode" doc:"outbox: a table that triggers fill, read by id. modified: a view of the stock, read by the time of the last modification. Empty = outbox."`
	Table        string        `yaml:"table" doc:"The outbox or the view, as in SQL; empty = hisgate_outbox, hisgate_modified."`
	IDColumn     string        `yaml:"id_column" doc:"Empty = id."`
	TimeColumn   string        `yaml:"time_column" doc:"Empty = changed_at; - = the outbox has none."`
	Ordered      bool          `yaml:"ordered" doc:"The ids of one drug in one pharmacy follow its changes: one row of stock for each. Then they are the sequence of sequence: source."`
	Poll         time.Duration `yaml:"poll" doc:"The pause between two looks; 0 = 200ms, and 1s with mode: modified."`
	Overlap      time.Duration `yaml:"overlap" doc:"How long a row is waited for, at least, whose id, or time, was taken and which is not there; 0 = 10m, and 1m with mode: modified. A transaction that is held open longer is waited for too, but not on Oracle."`
	Notify       string        `yaml:"notify" doc:"PostgreSQL: the channel of NOTIFY that wakes hisgate before poll is over (hisgate feed ddl --notify). Empty = none."`
	Keep         time.Duration `yaml:"keep" doc:"Delete rows that were read so long ago; 0 = hisgate deletes nothing."`
	PositionFile string        `yaml:"position_file" doc:"Where hisgate keeps how far it has read; empty = feed-NAME.position in data_dir."`
}

// OutboxConnection is how the database is reached.
type OutboxConnection struct {
	Host           string            `yaml:"host" doc:"Where the database is."`
	Port           int               `yaml:"port" doc:"0 = the dialect's usual one."`
	Database       string            `yaml:"database" doc:"Its name; Oracle: the service name."`
	User           string            `yaml:"user" doc:"Who may read the table and nothing else."`
	PasswordFile   string            `yaml:"password_file" doc:"A file with the user's password."`
	TLS            string            `yaml:"tls" doc:"disable, require or verify; empty = disable."`
	CAFile         string            `yaml:"ca_file" doc:"The authorities (PEM) for verify; empty = those of the system."`
	Params         map[string]string `yaml:"params" doc:"What the database's client library knows besides."`
	ConnectTimeout time.Duration     `yaml:"connect_timeout" doc:"0 = 5s."`
}

// open opens the driver. Its errors begin with the setting.
func (o FeedOutbox) open(name, dataDir string) (feed.Driver, error) {
	c := o.Connection
	s := outbox.Settings{
		Database: sqldb.Settings{
			Dialect: o.Dialect, Host: c.Host, Port: c.Port, Database: c.Database, User: c.User, TLS: c.TLS, CAFile: c.CAFile, Params: c.Params,
			ConnectTimeout: c.ConnectTimeout, StatementTimeout: o.StatementTimeout,
		},
		Mode: o.Mode, Table: o.Table, IDColumn: o.IDColumn, TimeColumn: o.TimeColumn, Ordered: o.Ordered,
		Poll: o.Poll, Overlap: o.Overlap, Notify: o.Notify, Keep: o.Keep, PositionFile: o.position(name, dataDir),
	}
	var err error
	if s.Database.Password, err = link.Secret(c.PasswordFile); err != nil {
		return nil, fmt.Errorf("outbox: connection.password_file: %w", err)
	}
	if o.TimeZone != "" {
		if s.Database.Zone, err = time.LoadLocation(o.TimeZone); err != nil {
			return nil, fmt.Errorf("outbox: time_zone: %w", err)
		}
	}
	d, err := outbox.New(s)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return d, nil
}

// position is where a feed of the name keeps how far it has read.
func (o FeedOutbox) position(name, dataDir string) string {
	if o.PositionFile != "" {
		return o.PositionFile
	}
	return filepath.Join(dataDir, "feed-"+name+".position")
}

// told reports each setting that an error is about at its line; path is that of the
// feed. It reports whether there was one.
func (o FeedOutbox) told(k *checker, path string, err error) bool {
	many, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	if !ok {
		return false
	}
	said := false
	for _, e := range many.Unwrap() {
		if one, ok := errors.AsType[*outbox.SettingError](e); ok && !o.told(k, path, e) {
			k.want(false, path+".outbox."+one.Setting, "%s", one.Reason)
		}
		said = true
	}
	return said
}
