package sqldb

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// openMySQL speaks to MySQL and MariaDB.
func openMySQL(s Settings) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.port(3306)))
	cfg.User, cfg.Passwd, cfg.DBName = s.User, s.Password, s.Database
	cfg.Timeout = s.ConnectTimeout
	cfg.ClientFoundRows = true // rows that a statement found, changed or not, as everywhere else
	cfg.Logger = &mysql.NopLogger{}
	// The server turns its GBK tables into UTF-8 for us, and back.
	_, offset := time.Now().In(s.Zone).Zone()
	cfg.Params = map[string]string{"time_zone": fmt.Sprintf("'%+03d:%02d'", offset/3600, abs(offset)/60%60)}
	for key, v := range s.Params {
		if key == "time_zone" || key == "charset" {
			return nil, badParam(key)
		}
		cfg.Params[key] = v
	}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	if s.TLS != "disable" {
		conf := &tls.Config{ServerName: s.Host, InsecureSkipVerify: s.TLS == "require"}
		if s.CAFile != "" {
			pem, err := os.ReadFile(s.CAFile)
			if err != nil {
				return nil, err
			}
			conf.RootCAs = x509.NewCertPool()
			if !conf.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("connection: ca_file: %s holds no certificate", s.CAFile)
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
