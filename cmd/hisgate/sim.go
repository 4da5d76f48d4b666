package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// The merchant of the simulated WeChat Pay.
const (
	simMchID = "1900000109"
	simAppID = "wx8888888888888888"
)

type simCmd struct {
	Dir    string `default:"sim" help:"Folder for the merchant's keys and a hisgate.yaml that fits; made anew when missing."`
	HIS    string `default:"127.0.0.1:9480" help:"Address of the simulated HIS."`
	WeChat string `name:"wechat" default:"127.0.0.1:9481" help:"Address of the simulated WeChat Pay."`
	Freeze bool   `help:"The HIS can freeze stock."`
}

// Run serves both simulators until the process is told to stop.
func (c *simCmd) Run(ctx context.Context) error {
	caps := simCapabilities(c.Freeze)
	s, err := startSimulators(simOptions{
		Dir: c.Dir, HISAddr: c.HIS, WeChatAddr: c.WeChat, Capabilities: caps,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	defer s.Close()
	file := filepath.Join(c.Dir, "hisgate.yaml")
	if err := s.writeConfig(file); err != nil {
		return err
	}
	fmt.Printf("simulated HIS          %s   (what a test may do to it: POST %s/sim/stock, /sim/sell, /sim/faults …)\n", s.HISURL, s.HISURL)
	fmt.Printf("simulated WeChat Pay   %s   (the patient pays: POST %s/sim/pay)\n", s.WeChatURL, s.WeChatURL)
	fmt.Printf("now run:               hisgate serve -c %s\n", file)
	<-ctx.Done()
	return nil
}

// simCapabilities is a HIS of the better kind, with or without a freeze.
func simCapabilities(freeze bool) hisadapter.Capabilities {
	c := hisadapter.Capabilities{
		Find: true, Cancel: true, List: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: 20,
	}
	if freeze {
		c.Freeze, c.NetFigure = true, true
	}
	return c
}

type simOptions struct {
	Dir          string // of the key files
	HISAddr      string
	WeChatAddr   string
	Capabilities hisadapter.Capabilities
	Mode         wechatsim.Mode // which keys WeChat Pay signs with; "" = the public key
	RefundDelay  time.Duration
	NotifyScale  float64
	Logger       *slog.Logger
}

// simulators are the two outside systems, each behind a real socket.
type simulators struct {
	HIS       *simhis.HIS
	WeChat    *wechatsim.Sim
	HISURL    string
	WeChatURL string

	opts    simOptions
	keys    wechatsim.Keys
	servers []*http.Server
	stop    context.CancelFunc
	done    chan struct{}
}

// startSimulators opens both. Keys found in Dir are used again, so that a
// restarted simulator and its hisgate still understand each other.
func startSimulators(o simOptions) (_ *simulators, err error) {
	s := &simulators{opts: o, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	close(s.done) // nothing runs yet
	s.HIS, err = simhis.New(simhis.Config{Capabilities: o.Capabilities, Catalogue: simhis.DemoCatalogue()})
	if err != nil {
		return nil, err
	}
	if s.HISURL, err = s.serve(o.HISAddr, s.HIS.Handler()); err != nil {
		return nil, fmt.Errorf("simulated HIS: %w", err)
	}
	if s.keys, err = simKeys(o.Dir); err != nil {
		return nil, err
	}
	s.WeChat, err = wechatsim.New(wechatsim.Options{
		MchID: simMchID, AppIDs: []string{simAppID}, Keys: s.keys, Mode: o.Mode,
		RefundDelay: o.RefundDelay, NotifyScale: o.NotifyScale, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	if s.WeChatURL, err = s.serve(o.WeChatAddr, s.WeChat.Handler()); err != nil {
		return nil, fmt.Errorf("simulated WeChat Pay: %w", err)
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		s.WeChat.Run(ctx)
	}()
	return s, nil
}

func (s *simulators) serve(addr string, h http.Handler) (string, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	s.servers = append(s.servers, srv)
	go srv.Serve(ln)
	return "http://" + ln.Addr().String(), nil
}

// Close stops both at once; what hung in them is cut.
func (s *simulators) Close() {
	s.stop()
	if s.WeChat != nil {
		s.WeChat.Close()
	}
	<-s.done
	for _, srv := range s.servers {
		srv.Close()
	}
}

// simKeys reads the simulator's key material from dir, or makes and keeps it
// there, together with the files that hisgate reads.
func simKeys(dir string) (wechatsim.Keys, error) {
	var k wechatsim.Keys
	file := filepath.Join(dir, "simulator-keys.json")
	b, err := os.ReadFile(file)
	if err == nil {
		return k, json.Unmarshal(b, &k)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = wechatsim.GenerateKeys(); err != nil {
		return k, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return k, err
	}
	if b, err = json.Marshal(k); err != nil {
		return k, err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"apiclient_key.pem", []byte(k.MerchantPrivateKey)},
		{"apiv3.key", []byte(k.APIv3Key)},
		{"pub_key.pem", []byte(k.PublicKey)},
		{"simulator-keys.json", b}, // last: its presence says that the others are whole
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			return k, err
		}
	}
	return k, nil
}

// config points hisgate at the simulators.
func (s *simulators) config() Config {
	c := Default()
	caps := s.opts.Capabilities
	c.DataDir = filepath.Join(s.opts.Dir, "data")
	c.HIS.SimHIS.URL = s.HISURL
	c.HIS.Capabilities = Capabilities{
		Freeze: caps.Freeze, FreezeTTL: caps.FreezeTTL, NetFigure: caps.NetFigure, DeductNeedsFreeze: caps.DeductNeedsFreeze,
		Find: caps.Find, Cancel: caps.Cancel, List: caps.List, IdempotentByHisNo: caps.IdempotentByHisNo, AtomicItems: caps.AtomicItems,
		BatchSize: caps.BatchSize, HisNoMax: caps.HisNoMax,
	}
	c.WeChat.APIBaseURL = s.WeChatURL
	c.WeChat.MchID = simMchID
	c.WeChat.AppIDs = []string{simAppID}
	c.WeChat.MerchantSerial = ID(s.keys.MerchantSerial)
	c.WeChat.MerchantKeyFile = filepath.Join(s.opts.Dir, "apiclient_key.pem")
	c.WeChat.APIv3KeyFile = filepath.Join(s.opts.Dir, "apiv3.key")
	if s.opts.Mode != "" {
		c.WeChat.Keys = string(s.opts.Mode)
	}
	c.WeChat.PublicKeyID = s.keys.PublicKeyID
	c.WeChat.PublicKeyFile = filepath.Join(s.opts.Dir, "pub_key.pem")
	return c
}

// writeConfig writes the settings that differ from the defaults.
func (s *simulators) writeConfig(file string) error {
	c := s.config()
	doc := map[string]any{
		"data_dir": c.DataDir,
		"log":      map[string]any{"format": "text"},
		"his": map[string]any{
			"simhis":       map[string]any{"url": c.HIS.SimHIS.URL},
			"capabilities": c.HIS.Capabilities,
		},
		"wechat": map[string]any{
			"api_base_url":      c.WeChat.APIBaseURL,
			"mch_id":            string(c.WeChat.MchID),
			"app_ids":           c.WeChat.AppIDs,
			"merchant_serial":   string(c.WeChat.MerchantSerial),
			"merchant_key_file": c.WeChat.MerchantKeyFile,
			"api_v3_key_file":   c.WeChat.APIv3KeyFile,
			"public_key_id":     c.WeChat.PublicKeyID,
			"public_key_file":   c.WeChat.PublicKeyFile,
		},
	}
	b, err := yaml.Dump(doc)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte("# Written by hisgate sim; fits the simulators that it serves.\n"), b...), 0o600)
}
