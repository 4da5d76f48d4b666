package privateserver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// StartMariaDB makes a data folder in the folder dir, which must exist and be
// empty, and starts MariaDB over it on the port that it returns. root needs no
// password. args are further arguments of the server. It returns a *MissingError
// where MariaDB is not installed. It does not wait until the server answers.
func StartMariaDB(ctx context.Context, dir string, args ...string) (*Server, int, error) {
	missing := &MissingError{Program: "mariadbd", Hint: "Debian: apt-get install mariadb-server"}
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		return nil, 0, missing
	}
	// Where Debian puts it, which is not on everybody's path.
	bin, err := exec.LookPath("mariadbd")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/mariadbd"); err != nil {
			return nil, 0, missing
		}
	}
	as, err := Unprivileged(filepath.Dir(dir), dir, "mysql")
	if err != nil {
		return nil, 0, err
	}
	data := filepath.Join(dir, "data")
	make := exec.CommandContext(ctx, install, "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	make.Dir, make.SysProcAttr = dir, as
	if out, err := make.CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	port, err := FreePort()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(bin, append([]string{
		"--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port),
		"--socket=" + filepath.Join(dir, "s"), "--pid-file=" + filepath.Join(dir, "pid"), "--skip-name-resolve",
	}, args...)...)
	cmd.Dir, cmd.SysProcAttr = dir, as
	s, err := Start(cmd, "TERM", dir+".log")
	return s, port, err
}
