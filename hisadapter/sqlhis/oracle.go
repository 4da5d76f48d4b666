//go:build oracle

package sqlhis

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	ora "github.com/sijms/go-ora/v2"
	"github.com/sijms/go-ora/v2/network"
)

// oracle speaks to Oracle by go-ora, which needs no client of Oracle's.
type oracle struct{}

func oracleDialect() (dialect, error) { return oracle{}, nil }

// place writes decimals so that the session's language does not matter.
func (oracle) place(n int, v value, zone *time.Location) (string, any) {
	words := ":" + strconv.Itoa(n)
	switch v.kind {
	case null:
		return words, nil
	case whole:
		i, err := strconv.ParseInt(v.text, 10, 64)
		if err == nil {
			return words, i
		}
		return oracleNumber(words), v.text
	case decimal:
		return oracleNumber(words), v.text
	case moment:
		return words, v.time.In(zone)
	default:
		return words, v.text
	}
}

func oracleNumber(words string) string {
	return "TO_NUMBER(" + words + ", '99999999999999999999999D999999999999999', 'NLS_NUMERIC_CHARACTERS=''.,''')"
}

// maxOut is the longest OUT value in bytes.
const maxOut = 4000

func (oracle) out(dest *string) any { return ora.Out{Dest: dest, Size: maxOut} }

func (oracle) begin(ctx context.Context, conn *sql.Conn, level sql.IsolationLevel, readOnly bool) (transaction, error) {
	// go-ora begins with the default level only, which is read committed; the
	// first statement may say otherwise.
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	words := ""
	switch {
	case readOnly:
		words = "SET TRANSACTION READ ONLY"
	case level != sql.LevelReadCommitted:
		words = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
	}
	if words != "" {
		if _, err := conn.ExecContext(ctx, words); err != nil {
			return nil, errors.Join(err, tx.Rollback())
		}
	}
	return oracleTx{tx}, nil
}

// oracleTx is ended through the driver: Oracle has no word that begins a
// transaction, and go-ora commits each statement unless it began one.
type oracleTx struct{ tx *sql.Tx }

func (t oracleTx) commit(context.Context) error   { return t.tx.Commit() }
func (t oracleTx) rollback(context.Context) error { return t.tx.Rollback() }
func (t oracleTx) stands(context.Context) bool    { return true }

func (oracle) fault(err error) (fault, bool) {
	e, ok := errors.AsType[*network.OracleError](err)
	if !ok || e.ErrCode == 0 {
		return fault{}, false
	}
	return fault{number: strconv.Itoa(e.ErrCode), message: e.ErrMsg}, true
}

func (oracle) clock() string {
	return "SELECT ROUND((CAST(SYS_EXTRACT_UTC(SYSTIMESTAMP) AS DATE) - DATE '1970-01-01') * 86400) FROM DUAL"
}

func (oracle) class(f fault) class { return oracleClass(f.number) }
