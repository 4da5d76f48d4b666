//go:build !oracle

package sqlhis

import "errors"

// ErrNoOracle says that this build has no Oracle driver.
var ErrNoOracle = errors.New("this build of hisgate does not speak to Oracle: take the release, or build with -tags oracle")

func oracleDialect() (dialect, error) { return nil, ErrNoOracle }
