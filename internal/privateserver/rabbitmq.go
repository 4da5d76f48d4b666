package privateserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// RabbitMQ is a private node of RabbitMQ with an epmd of its own, which Erlang's
// nodes find each other by; without one it would leave a shared one behind.
type RabbitMQ struct {
	// Port is where it speaks AMQP, on loopback; guest with the password guest may.
	Port int

	dir, bin   string
	as         *syscall.SysProcAttr
	env        []string
	epmd, node *Server
}

// StartRabbitMQ starts a node over the folder dir, which must exist and be empty.
// config is appended to rabbitmq.conf. It returns a *MissingError where RabbitMQ is
// not installed. It does not wait until the node answers.
func StartRabbitMQ(dir, config string) (*RabbitMQ, error) {
	missing := &MissingError{Program: "rabbitmq-server", Hint: "Debian: apt-get install rabbitmq-server"}
	// Not the one on the path, which insists on being root.
	bin, err := exec.LookPath("/usr/lib/rabbitmq/bin/rabbitmq-server")
	if err != nil {
		return nil, missing
	}
	epmd, err := exec.LookPath("epmd")
	if err != nil {
		return nil, missing
	}
	r := &RabbitMQ{dir: dir, bin: bin}
	if r.as, err = Unprivileged(filepath.Dir(dir), dir, "rabbitmq"); err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	r.Port = ports[0]
	conf := filepath.Join(dir, "rabbitmq.conf")
	text := "log.console = true\nlog.console.level = warning\nlog.file = false\ndisk_free_limit.absolute = 1MB\n" + config
	empty := filepath.Join(dir, "empty")
	if err := errors.Join(os.WriteFile(conf, []byte(text), 0o644), os.WriteFile(empty, nil, 0o644)); err != nil {
		return nil, err
	}
	r.env = append(os.Environ(),
		"HOME="+dir, "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT="+strconv.Itoa(ports[1]),
		"RABBITMQ_NODENAME=hisgate"+strconv.Itoa(r.Port)+"@localhost",
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT="+strconv.Itoa(r.Port), "RABBITMQ_DIST_PORT="+strconv.Itoa(ports[2]),
		"RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "data"), "RABBITMQ_LOG_BASE="+filepath.Join(dir, "logs"),
		"RABBITMQ_CONFIG_FILE="+conf, "RABBITMQ_CONF_ENV_FILE="+empty, "RABBITMQ_ENABLED_PLUGINS_FILE="+empty,
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
		// The script becomes the node rather than watch over it.
		"RUNNING_UNDER_SYSTEMD=1",
	)
	names := exec.Command(epmd, "-address", "127.0.0.1", "-port", strconv.Itoa(ports[1]))
	names.Dir, names.Env, names.SysProcAttr = dir, r.env, r.as
	if r.epmd, err = Start(names, "TERM", dir+".epmd.log"); err != nil {
		return nil, err
	}
	if err := listening(ports[1]); err != nil {
		return nil, errors.Join(err, r.epmd.Stop())
	}
	if err := r.Start(); err != nil {
		return nil, errors.Join(err, r.epmd.Stop())
	}
	return r, nil
}

// listening waits until somebody listens on a port of loopback: a node that finds
// no epmd would start one that stays.
func listening(port int) error {
	for giveUp := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return c.Close()
		}
		if time.Now().After(giveUp) {
			return fmt.Errorf("epmd does not answer: %w", err)
		}
	}
}

// Start starts the node again after Kill, over what is on its disk.
func (r *RabbitMQ) Start() error {
	cmd := exec.Command(r.bin)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = r.dir, r.env, r.as
	var err error
	r.node, err = Start(cmd, "KILL", r.dir+".log")
	return err
}

// Kill ends the node as a crash would.
func (r *RabbitMQ) Kill() error { return r.node.Stop() }

// Node is the process of the node, to wait for.
func (r *RabbitMQ) Node() *Server { return r.node }

// Stop ends everything. Nothing is kept in order: the data is not used again.
func (r *RabbitMQ) Stop() error { return errors.Join(r.node.Stop(), r.epmd.Stop()) }
