// Package sqldb opens the databases of hospitals, the same way for everything
// that reads them: PostgreSQL (and its kin), MySQL and MariaDB, SQL Server, and
// Oracle (in builds with -tags oracle, which are the releases). It also writes
// names as each dialect wants them and reads cells exactly, whatever the driver
// makes of them.
//
// The server turns its GBK tables into UTF-8 for us, and back; its clock is that
// of the hospital, which Settings.Zone names.
package sqldb
