//go:build !oracle

package sqlhis

import "github.com/hisgate/hisgate/hisadapter/sqldb"

func oracleDialect() (dialect, error) { return nil, sqldb.ErrNoOracle }
