package privateserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// StartNginx starts nginx in the folder dir, which must exist, as one process in
// the foreground. config stands in its http block; what it includes is found in
// dir. It returns a *MissingError where nginx is not installed. It does not wait
// until the server answers.
func StartNginx(dir, config string) (*Server, error) {
	bin, err := exec.LookPath("nginx")
	if err != nil { // where Debian puts it, which is not on everybody's path
		if bin, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, &MissingError{Program: "nginx", Hint: "Debian: apt-get install nginx-light"}
		}
	}
	as, err := Unprivileged(filepath.Dir(dir), dir, "www-data")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	whole := fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr info;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
%[2]s
}
`, dir, config)
	if err := os.WriteFile(file, []byte(whole), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "-p", dir, "-c", file, "-e", "stderr")
	cmd.Dir, cmd.SysProcAttr = dir, as
	return Start(cmd, "QUIT", dir+".log")
}
