package sqlhis

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

// sqlserver speaks to Microsoft SQL Server.
type sqlserver struct{}

// place gives numbers their type, so that no text is compared with one.
func (sqlserver) place(n int, v value, zone *time.Location) (string, any) {
	words := "@p" + strconv.Itoa(n)
	switch v.kind {
	case null:
		return words, nil
	case whole:
		i, err := strconv.ParseInt(v.text, 10, 64)
		if err == nil {
			return words, i
		}
		return "CAST(" + words + " AS DECIMAL(38,15))", v.text
	case decimal:
		return "CAST(" + words + " AS DECIMAL(38,15))", v.text
	case moment:
		return words, v.time.In(zone)
	default:
		return words, v.text
	}
}

// out marks the parameter; the statement has OUTPUT behind it.
func (sqlserver) out(dest *string) any { return sql.Out{Dest: dest} }

func (sqlserver) begin(ctx context.Context, conn *sql.Conn, level sql.IsolationLevel, _ bool) (transaction, error) {
	t := spoken{conn, "COMMIT TRANSACTION", "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION", "SELECT @@TRANCOUNT"}
	return t.begin(ctx, "SET TRANSACTION ISOLATION LEVEL "+levelName(level), "BEGIN TRANSACTION")
}

func (sqlserver) fault(err error) (fault, bool) {
	e, ok := errors.AsType[mssql.Error](err)
	if !ok {
		return fault{}, false
	}
	return fault{number: strconv.Itoa(int(e.Number)), message: e.Message}, true
}

// clock counts days and the seconds of the day apart: the seconds since 1970 are
// too many for DATEDIFF, and DATEDIFF_BIG is of 2016.
func (sqlserver) clock() string {
	return "SELECT DATEDIFF(DAY, '19700101', t) * CAST(86400 AS BIGINT) + DATEDIFF(SECOND, DATEADD(DAY, DATEDIFF(DAY, '19700101', t), '19700101'), t) FROM (SELECT GETUTCDATE() AS t) q"
}

func (sqlserver) class(f fault) class {
	return classify(f.number,
		[]string{"1205", "3960"},
		[]string{"1222", "10928", "10929", "17300", "17308", "701", "8645"},
		[]string{"102", "156", "201", "207", "208", "229", "230", "2812", "4060", "8144", "8145", "8146", "18456"})
}
