package privateserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// StartPrometheus starts Prometheus in the folder dir, which must exist, on the
// port that it returns. config is its configuration; the files of rules that it
// names are found in dir. It returns a *MissingError where Prometheus is not
// installed. It does not wait until the server answers.
func StartPrometheus(dir, config string) (*Server, int, error) {
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, 0, &MissingError{Program: "prometheus", Hint: "Debian: apt-get install prometheus"}
	}
	as, err := Unprivileged(filepath.Dir(dir), dir, "prometheus")
	if err != nil {
		return nil, 0, err
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, 0, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(bin, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:"+strconv.Itoa(port))
	cmd.Dir, cmd.SysProcAttr = dir, as
	s, err := Start(cmd, "TERM", dir+".log")
	return s, port, err
}
