package privateserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// StartPostgres makes a cluster in the folder dir, which must exist and be empty,
// and starts it on the port that it returns. user is its superuser, who needs no
// password; config is appended to postgresql.conf. It returns a *MissingError
// where PostgreSQL is not installed. It does not wait until the server answers.
func StartPostgres(ctx context.Context, dir, user, config string) (*Server, int, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, 0, err
	}
	as, err := Unprivileged(filepath.Dir(dir), dir, "postgres")
	if err != nil {
		return nil, 0, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := FreePort()
	if err != nil {
		return nil, 0, err
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, 0, err
	}
	_, err = fmt.Fprintf(conf, "\nlisten_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = ''\n%s\n", port, config)
	if err := errors.Join(err, conf.Close()); err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data)
	cmd.Dir, cmd.SysProcAttr = dir, as
	s, err := Start(cmd, "INT", dir+".log")
	return s, port, err
}

// postgresBin finds the programs: on the path, or where Debian puts them.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", &MissingError{Program: "initdb", Hint: "Debian: apt-get install postgresql"}
	}
	return filepath.Dir(slices.Max(found)), nil
}
