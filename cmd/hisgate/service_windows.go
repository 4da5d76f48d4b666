package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// Where hisgate service install looks, and who it lets run: the account that
// Windows makes for the service itself, which has no password.
const (
	serviceConfig = `C:\hisgate\conf\hisgate.yaml`
	serviceUser   = `NT SERVICE\hisgate`
)

// virtualAccounts are those that Windows makes for services by their names.
const virtualAccounts = `NT SERVICE\`

// underWindows is the service manager of Windows.
type underWindows struct{ name string }

func newSupervisor(name string) (supervisor, error) { return &underWindows{name}, nil }

// allowed implements supervisor.
func (s *underWindows) allowed(l langFlags) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return nobody("%s", l.say("需要管理员权限：以管理员身份运行；--dry-run 只看不做", "this needs an Administrator: run it elevated, or with --dry-run to look only"))
	}
	return nil
}

// install implements supervisor.
func (s *underWindows) install(w wishes) ([]step, error) {
	if w.user == serviceUser {
		w.user = virtualAccounts + s.name
	}
	args := []string{"serve", "-c", w.config}
	logs := filepath.Join(filepath.Dir(w.c.DataDir), "logs")
	if w.c.Log.File != "" {
		logs = filepath.Dir(w.c.Log.File)
	} else { // a service has no standard error
		args = append(args, "--set", "log.file="+filepath.Join(logs, s.name+".log"))
	}
	line := `"` + w.binary + `" ` + windows.ComposeCommandLine(args)
	steps := []step{
		{
			words: fmt.Sprintf("service %s: %s, as %s, started with the machine, restarted 5 s after a failure", s.name, line, w.user),
			do:    func(context.Context) error { return s.register(w, args) },
		},
		{
			words: "source " + s.name + " of the event log",
			do:    func(context.Context) error { return s.registerSource() },
		},
	}
	grant := func(dir, right string) {
		steps = append(steps, step{
			words: fmt.Sprintf(`%s may %s in %s`, w.user, map[string]string{"M": "write", "RX": "read"}[right], dir),
			do: func(ctx context.Context) error {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return err
				}
				return icacls(ctx, dir, "/grant", w.user+":(OI)(CI)"+right)
			},
		})
	}
	grant(w.c.DataDir, "M")
	grant(logs, "M")
	grant(filepath.Dir(w.config), "RX")
	if w.c.Log.Audit != "" {
		grant(filepath.Dir(w.c.Log.Audit), "M")
	}
	return steps, nil
}

// preshutdown is how long Windows lets the service end before it shuts down.
type preshutdown struct{ milliseconds uint32 }

// register makes the service, or changes the one that is there.
func (s *underWindows) register(w wishes, args []string) error {
	m, err := mgr.Connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	c := mgr.Config{
		ServiceType: windows.SERVICE_WIN32_OWN_PROCESS, StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
		DelayedAutoStart: true, DisplayName: s.name, ServiceStartName: w.user,
		Description: "Stock and payment gateway in front of the HIS",
		SidType:     windows.SERVICE_SID_TYPE_UNRESTRICTED,
	}
	one, err := m.OpenService(s.name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		one, err = m.CreateService(s.name, w.binary, c, args...)
	} else if err == nil {
		c.BinaryPathName = windows.ComposeCommandLine(append([]string{w.binary}, args...))
		err = one.UpdateConfig(c)
	}
	if err != nil {
		return err
	}
	defer one.Close()
	again := []mgr.RecoveryAction{{Type: mgr.ServiceRestart, Delay: 5 * time.Second}}
	patient := preshutdown{uint32((w.c.ShutdownTimeout + stopGrace).Milliseconds())}
	return errors.Join(
		one.SetRecoveryActions(again, uint32((24*time.Hour).Seconds())),
		one.SetRecoveryActionsOnNonCrashFailures(true), // hisgate itself ends when its disk fails
		windows.ChangeServiceConfig2(one.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&patient))),
	)
}

// stopGrace is what Windows waits beyond shutdown_timeout.
const stopGrace = 30 * time.Second

// eventKinds are those that hisgate writes.
const eventKinds = eventlog.Error | eventlog.Warning | eventlog.Info

// sources are where Windows keeps those of its event log.
const sources = `SYSTEM\CurrentControlSet\Services\EventLog\Application\`

func (s *underWindows) registerSource() error {
	if k, err := registry.OpenKey(registry.LOCAL_MACHINE, sources+s.name, registry.QUERY_VALUE); err == nil {
		return k.Close()
	}
	return eventlog.InstallAsEventCreate(s.name, eventKinds)
}

func icacls(ctx context.Context, args ...string) error {
	_, err := runProgram(ctx, filepath.Join(os.Getenv("SystemRoot"), "System32", "icacls.exe"), args...)
	return err
}

// start implements supervisor.
func (s *underWindows) start() []step {
	return []step{{words: "start " + s.name, do: func(ctx context.Context) error {
		return s.with(windows.SERVICE_START|windows.SERVICE_QUERY_STATUS, func(one *mgr.Service) error {
			if err := one.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
				return err
			}
			return await(ctx, one, svc.Running)
		})
	}}}
}

// stop implements supervisor.
func (s *underWindows) stop() []step {
	if !s.installed() {
		return nil
	}
	return []step{{words: "stop " + s.name, do: func(ctx context.Context) error {
		return s.with(windows.SERVICE_STOP|windows.SERVICE_QUERY_STATUS, func(one *mgr.Service) error {
			if _, err := one.Control(svc.Stop); err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
				return err
			}
			return await(ctx, one, svc.Stopped)
		})
	}}}
}

// remove implements supervisor.
func (s *underWindows) remove() []step {
	if !s.installed() {
		return nil
	}
	return append(
		s.stop(),
		step{words: "forget the service " + s.name, do: func(context.Context) error {
			return s.with(windows.DELETE, func(one *mgr.Service) error { return one.Delete() })
		}},
		step{words: "forget the source " + s.name + " of the event log", do: func(context.Context) error {
			return eventlog.Remove(s.name)
		}},
	)
}

// await waits until the service is so. Errors: it stopped instead, or ctx ended.
func await(ctx context.Context, one *mgr.Service, want svc.State) error {
	again := time.NewTicker(300 * time.Millisecond)
	defer again.Stop()
	for {
		status, err := one.Query()
		switch {
		case err != nil:
			return err
		case status.State == want:
			return nil
		case status.State == svc.Stopped:
			return fmt.Errorf("it stopped (exit status %d); the event log and log.file say why", status.ServiceSpecificExitCode)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// state implements supervisor.
func (s *underWindows) state(context.Context) (word string, runs bool, err error) {
	err = s.with(windows.SERVICE_QUERY_STATUS, func(one *mgr.Service) error {
		status, err := one.Query()
		word, runs = map[svc.State]string{
			svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running",
		}[status.State], status.State == svc.Running
		return err
	})
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return "not installed", false, nil
	}
	return word, runs, err
}

func (s *underWindows) installed() bool {
	word, _, err := s.state(context.Background())
	return err != nil || word != "not installed"
}

// with opens the service with no more rights than are needed, so that anybody may
// ask how it is.
func (s *underWindows) with(rights uint32, f func(*mgr.Service) error) error {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return err
	}
	defer windows.CloseServiceHandle(manager)
	name, err := windows.UTF16PtrFromString(s.name)
	if err != nil {
		return err
	}
	handle, err := windows.OpenService(manager, name, rights)
	if err != nil {
		return err
	}
	one := &mgr.Service{Name: s.name, Handle: handle}
	defer one.Close()
	return f(one)
}
