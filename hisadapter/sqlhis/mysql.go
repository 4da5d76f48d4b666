package sqlhis

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mariadb speaks to MySQL and MariaDB.
type mariadb struct{}

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
	// MySQL does not know the variable; MariaDB does.
	t := spoken{conn, "COMMIT", "ROLLBACK", "SELECT @@in_transaction"}
	return t.begin(ctx, "SET TRANSACTION ISOLATION LEVEL "+levelName(level), words)
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
	return fault{state: state, number: number, message: e.Message}, true
}

func (mariadb) clock() string {
	return "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1000000"
}

func (mariadb) class(f fault) class {
	return classify(f.number,
		[]string{"1213", "1020"},
		[]string{"1040", "1041", "1203", "1205", "1226", "3572"},
		[]string{"1044", "1045", "1049", "1054", "1064", "1142", "1143", "1146", "1227", "1305", "1318", "1370", "1698"})
}
