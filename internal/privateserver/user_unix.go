//go:build unix

package privateserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Unprivileged returns how to run a server that refuses to be root, in a folder
// that it is given, below one that it may pass: as the user name, or as nobody.
// Who is not root stays who he is.
// The server has a process group of its own: an interrupt from the terminal is
// for us alone, who then stop the server.
func Unprivileged(above, folder string, name string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return as, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("no user to run the server as: %w", err)
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, errors.Join(err1, err2, os.Chmod(above, 0o711), os.Chown(folder, int(uid), int(gid)))
}
