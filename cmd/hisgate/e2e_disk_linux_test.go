package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// failSyncsOnSignal lets every sync of this process fail with errno from the moment
// at which SIGUSR1 comes, as those of a disk that is dying.
func failSyncsOnSignal(errno syscall.Errno) {
	come := make(chan os.Signal, 1)
	signal.Notify(come, syscall.SIGUSR1)
	go func() {
		<-come
		if err := failSyncs(errno); err != nil {
			fmt.Fprintln(os.Stderr, "syncs cannot be made to fail:", err)
			os.Exit(3)
		}
		fmt.Fprintln(os.Stderr, syncsFail)
	}()
}

// syncsFail is what a process says whose syncs fail from now on.
const syncsFail = "syncs fail from now on"

// failSyncs has the kernel answer fsync, fdatasync and msync with errno, in all
// threads.
func failSyncs(errno syscall.Errno) error {
	const number = 0 // where the system call's number lies in seccomp_data
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	calls := []uint32{unix.SYS_FDATASYNC, unix.SYS_FSYNC, unix.SYS_MSYNC}
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(calls) - i), K: call})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if failed != 0 {
		return failed
	}
	return nil
}

// The disk fails under a running hisgate with 64 callers. Nobody is told what is
// not so, the process ends by itself and says why and what to do, and started
// again it knows all that it had answered, and takes the rest when it is repeated.
func TestI3AFailedSyncEndsTheProcessWithAClearWord(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.shelve("D1", 100_000)
			p := w.run(command(t, quickName, "-c", w.writeConfig(), "-failing-sync", fmt.Sprint(int(errno))))
			const callers = 64
			var mu sync.Mutex
			locked := map[string]bool{} // false = not known to the caller
			var hands sync.WaitGroup
			for hand := range callers {
				hands.Go(func() {
					for i := 0; ; i++ {
						no := fmt.Sprintf("DISK-%d-%d", hand, i)
						got, err := p.try(http.MethodPost, "/v1/locks", lockJSON(no, "D1", 1, "3600s"))
						ok := err == nil && got.status == http.StatusOK
						mu.Lock()
						locked[no] = ok
						mu.Unlock()
						if !ok {
							return
						}
					}
				})
			}
			eventually(t, "locks", func() error {
				mu.Lock()
				defer mu.Unlock()
				if len(locked) < 2*callers {
					return fmt.Errorf("%d are locked", len(locked))
				}
				return nil
			})
			if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			<-p.ended
			hands.Wait()

			var exit *exec.ExitError
			if !errors.As(p.err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("it ended with %v, want status 1", p.err)
			}
			lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
			last := lines[len(lines)-1]
			for _, word := range []string{"hisgate: the data folder failed", "mend the disk", "start hisgate again", "sync", errno.Error()} {
				if !strings.Contains(last, word) {
					t.Errorf("its last word lacks %q: %s", word, last)
				}
			}
			next := w.start()
			for no, known := range locked {
				if known {
					if l := next.get("/v1/locks/" + no).lock(t); l.GetStatus() != hisgatev1.Lock_LOCKED {
						t.Errorf("%s was answered as LOCKED and is %s", no, l.GetStatus())
					}
				} else {
					eventually(t, "a lock of "+no, func() error {
						if got, err := next.try(http.MethodPost, "/v1/locks", lockJSON(no, "D1", 1, "3600s")); err != nil || got.status != http.StatusOK {
							return fmt.Errorf("repeated: %v, %v", got, err)
						}
						return nil
					})
				}
			}
			if s := next.live("D1"); s.GetAvailable() != int64(100_000-len(locked)) {
				t.Errorf("%d of %d are available after %d locks", s.GetAvailable(), 100_000, len(locked))
			}
			mustRun(t, "ledger", "verify", "--server", next.grpc)
			for no := range locked {
				next.post("/v1/locks/"+no+":release", "{}").lock(t)
			}
			w.audit(next.api)
		})
	}
}

// smallDisk mounts a disk of so much.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, unix.EPERM) {
		t.Skip(t.Name() + ": no right to mount a small disk")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// A disk that is too small for a backup, or for what a restore needs, is named; no
// process dies of it, and nothing is left behind.
func TestToolsOnASmallDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 1000)
	p := w.start()
	for i := range 50 {
		p.post("/v1/locks", lockJSON(fmt.Sprintf("SMALL-%d", i), "D1", 1, "3600s")).lock(t)
	}
	disk := smallDisk(t, "8k")
	if _, errs, code := hisgate(t, "ledger", "backup", filepath.Join(disk, "backup"), "--server", p.grpc); code != 1 || !strings.Contains(errs, "no space left") {
		t.Errorf("a backup onto 8 KiB: status %d, %s", code, errs)
	}
	wantEmpty(t, disk)
	file := filepath.Join(t.TempDir(), "backup")
	mustRun(t, "ledger", "backup", file, "--server", p.grpc)
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := hisgate(t, "ledger", "restore", file, "--data-dir", filepath.Join(disk, "data")); code != 1 || !strings.Contains(errs, "the disk is too full") {
		t.Errorf("a restore onto 64 MiB: status %d, %s", code, errs)
	}
	wantEmpty(t, disk)
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
