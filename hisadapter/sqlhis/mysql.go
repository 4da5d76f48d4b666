package sqlhis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mariadb speaks to MySQL and MariaDB.
type mariadb struct{}

func (mariadb) open(m *Mapping) (*sql.DB, error) {
	c := &m.connection
	host, port := address(c, 3306)
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(host, strconv.Itoa(port))
	cfg.User, cfg.Passwd, cfg.DBName = c.user, c.password, c.database
	cfg.Timeout = c.connectTimeout
	cfg.ClientFoundRows = true // rows that a statement found, changed or not, as everywhere else
	cfg.Logger = &mysql.NopLogger{}
	// The server turns its GBK tables into UTF-8 for us, and back.
	_, offset := time.Now().In(m.zone).Zone()
	cfg.Params = map[string]string{"time_zone": fmt.Sprintf("'%+03d:%02d'", offset/3600, abs(offset)/60%60)}
	for key, v := range c.params {
		if key == "time_zone" || key == "charset" {
			return nil, badParam(key)
		}
		cfg.Params[key] = v
	}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	if c.tls != "disable" {
		conf := &tls.Config{ServerName: host, InsecureSkipVerify: c.tls == "require"}
		if c.caFile != "" {
			pem, err := os.ReadFile(c.caFile)
			if err != nil {
				return nil, err
			}
			conf.RootCAs = x509.NewCertPool()
			if !conf.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("connection: ca_file: %s holds no certificate", c.caFile)
			}
		}
		cfg.TLS = conf
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func abs(n int) int { return max(n, -n) }

// place gives numbers their type: MySQL would compare a text with a number as
// floats.
func (mariadb) place(_ int, v value, zone *time.Location) (string, any) {
	switch v.kind {
	case null:
		return "?", nil
	case whole:
		n, err := strconv.ParseInt(v.text, 10, 64)
		if err == nil {
			return "?", n
		}
		return "CAST(? AS DECIMAL(50,15))", v.text
	case decimal:
		return "CAST(? AS DECIMAL(50,15))", v.text
	case moment:
		return "?", v.time.In(zone).Format("2006-01-02 15:04:05.999999")
	default:
		return "?", v.text
	}
}

func (mariadb) out(dest *string) any { return dest }

func (mariadb) begin(ctx context.Context, conn *sql.Conn, level sql.IsolationLevel, readOnly bool) (transaction, error) {
	if level == sql.LevelSnapshot {
		level = sql.LevelRepeatableRead
	}
	words := "START TRANSACTION"
	if readOnly {
		words += " READ ONLY"
	}
	return speak(ctx, conn, "COMMIT", "ROLLBACK", "SET TRANSACTION ISOLATION LEVEL "+levelName(level), words)
}

func (mariadb) fault(err error) (fault, bool) {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return fault{}, false
	}
	number := strconv.Itoa(int(e.Number))
	state := ""
	if e.SQLState != [5]byte{} {
		state = string(e.SQLState[:])
	}
	return fault{
		state: state, number: number, message: e.Message,
		class: classify(number,
			[]string{"1213", "1020"},
			[]string{"1040", "1041", "1203", "1205", "1226", "3572"},
			[]string{"1044", "1045", "1049", "1054", "1064", "1142", "1143", "1146", "1227", "1305", "1318", "1370", "1698"}),
	}, true
}
