package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

const (
	syncs    = 20                     // that the disk is measured with
	syncSlow = 20 * time.Millisecond  // each answer waits for one: 50 a second, one after the other
	syncDead = 500 * time.Millisecond // callers give up
)

// disk looks at what the data folder stands on, and who uses it; runs says that a
// hisgate answers at listen.ops.
func (d *doctor) disk(c Config, runs bool) {
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		d.add(red, "data_dir", err.Error(), "")
		return
	}
	there := true
	base := dir
	for { // the folder, or what it would be made in
		info, err := os.Stat(base)
		if err == nil && !info.IsDir() {
			d.add(red, "data_dir", fmt.Sprintf(d.say("%s 不是文件夹", "%s is no folder"), base), d.say("改正 data_dir", "mend data_dir"))
			return
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(base) == base {
			d.add(red, "data_dir", err.Error(), d.say("给运行 hisgate 的用户权限", "give the user that runs hisgate permission"))
			return
		}
		there, base = false, filepath.Dir(base)
	}
	if there {
		d.folder(dir, runs)
	}
	d.space(base, c.Storage)
	if there {
		base = filepath.Dir(dir) // a stranger in the folder itself would be refused at a start
	}
	d.latency(base)
}

// folder says whether the folder can be opened as far as can be seen from
// outside.
func (d *doctor) folder(dir string, runs bool) {
	if err := interrupted(dir); err != nil {
		d.add(red, "data_dir", err.Error(), d.say("再次执行 ledger restore", "run ledger restore again"))
		return
	}
	switch err := badgerengine.Held(dir); {
	case errors.Is(err, badgerengine.ErrFolderInUse) && runs:
		d.ok("data_dir", d.say("%s，正在运行的 hisgate 在用", "%s, the hisgate that runs uses it"), dir)
	case errors.Is(err, badgerengine.ErrFolderInUse):
		d.add(warned, "data_dir", err.Error(), d.say("有人用着，却没有 hisgate 在 listen.ops 应答：查那个进程，先停掉它", "somebody uses it, and no hisgate answers at listen.ops: look at that process, and stop it first"))
	case err != nil:
		d.add(red, "data_dir", err.Error(), d.say("给运行 hisgate 的用户权限", "give the user that runs hisgate permission"))
	default:
		d.ok("data_dir", d.say("%s，无人使用", "%s, nobody uses it"), dir)
	}
}

func (d *doctor) space(dir string, s Storage) {
	disk, err := badgerengine.Survey(dir)
	switch {
	case disk.Remote != "" && !s.AllowNetworkDisk:
		d.add(red, "disk", fmt.Sprintf(d.say("%s 在网络文件系统 %s 上", "%s is on %s, a network file system"), dir, disk.Remote), d.say("换本地磁盘", "use a local disk"))
	case disk.Remote != "":
		d.add(warned, "disk", fmt.Sprintf(d.say("%s 在网络文件系统 %s 上", "%s is on %s, a network file system"), dir, disk.Remote), d.say("换本地磁盘；两台主机会各卖一次", "use a local disk; two hosts may give stock out twice"))
	}
	if err != nil {
		d.add(warned, "disk", err.Error(), d.say("自行监视剩余空间", "watch the free space yourself"))
		return
	}
	const mib = 1 << 20
	found := fmt.Sprintf(d.say("剩余 %d MiB，保留 %d MiB", "%d MiB free, %d MiB in reserve"), disk.Free/mib, s.DiskReserve/mib)
	switch do := d.say("腾出空间", "make room"); {
	case disk.Free < uint64(s.DiskReserve):
		d.add(red, "disk", found, do)
	case disk.Free < 2*uint64(s.DiskReserve):
		d.add(warned, "disk", found, do)
	default:
		d.ok("disk", "%s", found)
	}
}

// latency measures how long the disk takes to keep a record.
func (d *doctor) latency(dir string) {
	took, err := measureSyncs(dir)
	if err != nil {
		d.add(warned, "disk sync", err.Error(), d.say("未测；以运行 hisgate 的用户执行", "not measured; run it as the user that runs hisgate"))
		return
	}
	median, worst := took[len(took)/2], took[len(took)-1]
	found := fmt.Sprintf(d.say("中位 %s，最长 %s（%d 次）", "median %s, longest %s (of %d)"), median.Round(time.Microsecond), worst.Round(time.Microsecond), len(took))
	switch do := d.say("每个回答都等一次落盘：换 SSD 或带电池缓存的盘", "every answer waits for one: use an SSD, or a controller with a battery"); {
	case median >= syncDead:
		d.add(red, "disk sync", found, do)
	case median >= syncSlow:
		d.add(warned, "disk sync", found, do)
	default:
		d.ok("disk sync", "%s", found)
	}
}

// measureSyncs writes and syncs a block some times, sorted by their time.
func measureSyncs(dir string) (took []time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".hisgate-doctor-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 4096)
	for range syncs {
		begun := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took, nil
}

// ports says whether the addresses can be listened on.
func (d *doctor) ports(c Config, runs bool) {
	for _, l := range []struct{ setting, addr string }{
		{"listen.grpc", c.Listen.GRPC}, {"listen.http", c.Listen.HTTP}, {"listen.webhook", c.Listen.Webhook}, {"listen.ops", c.Listen.Ops},
	} {
		if l.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", l.addr)
		switch {
		case err == nil:
			ln.Close()
			d.ok(l.setting, d.say("%s 空闲", "%s is free"), l.addr)
		case runs:
			d.ok(l.setting, d.say("%s：有 hisgate 在运行", "%s: a hisgate is running"), l.addr)
		default:
			d.add(red, l.setting, err.Error(), d.say("停掉占用者，或换端口", "stop who has it, or use another port"))
		}
	}
}

// alive reports whether a hisgate answers at listen.ops.
func alive(ctx context.Context, addr string) bool {
	b, err := fetchOps(ctx, addr, "/livez")
	return err == nil && len(b) > 0
}

// fetchOps reads a page of listen.ops; from the machine itself where it is open
// to all.
func fetchOps(ctx context.Context, addr, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+local(addr)+path, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := readAtMost(resp.Body, 8<<20)
	if err == nil && resp.StatusCode != http.StatusOK && path != "/readyz" {
		err = fmt.Errorf("%s%s: %s", addr, path, resp.Status)
	}
	return b, err
}

// local is an address that is listened on as one to be dialled.
func local(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
