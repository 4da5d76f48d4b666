// Package privatedb gives the tests of a package real databases: PostgreSQL, and
// MariaDB for MySQL's dialect.
//
//	var databases = privatedb.Set{Postgres: "fsync = off\n"}
//
//	func TestMain(m *testing.M) { os.Exit(databases.Main(m)) }
//
//	db := databases.Get(t, "postgres")
package privatedb
