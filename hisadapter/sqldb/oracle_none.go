//go:build !oracle

package sqldb

import (
	"database/sql"
	"errors"
)

// ErrNoOracle says that this build has no Oracle driver.
var ErrNoOracle = errors.New("this build of hisgate does not speak to Oracle: take the release, or build with -tags oracle")

func openOracle(Settings) (*sql.DB, error) { return nil, ErrNoOracle }
