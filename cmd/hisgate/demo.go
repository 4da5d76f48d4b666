package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type demoCmd struct {
	Once    bool   `help:"End after the table."`
	Feed    bool   `help:"Play the minute after 09:01 with and without a feed of stock changes instead, and end."`
	JSON    bool   `name:"json" help:"Print the result as one JSON object on standard output; the story goes to standard error."`
	Lang    string `enum:"auto,zh,en" default:"auto" help:"Language of the story: zh, en, or that of the locale."`
	DataDir string `type:"path" help:"Folder for data, keys and logs, kept afterwards. Default: a fresh temporary one, removed at the end."`
	GRPC    string `name:"grpc" default:"127.0.0.1:0" help:"gRPC address of the hisgate that stays up; port 0 picks a free one."`
	HTTP    string `name:"http" default:"127.0.0.1:0" help:"REST address of the hisgate that stays up."`
	Ops     string `default:"127.0.0.1:0" help:"Address of its metrics and health."`
}

// errInvariant makes the demo end with status 1.
var errInvariant = errors.New("an invariant does not hold: the books above disagree")

// Run plays the story, prints the books, and stays up unless told otherwise.
func (c *demoCmd) Run(ctx context.Context) (err error) {
	dir := c.DataDir
	if dir == "" {
		tmp, err := os.MkdirTemp("", "hisgate-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	story := io.Writer(os.Stdout)
	if c.JSON {
		story = os.Stderr
	}
	d := &demo{out: story, zh: c.chinese(), run: time.Now().Format("150405")}
	if c.Feed {
		return c.runFeed(ctx, d, dir)
	}
	defer d.close()
	if err := d.open(dir); err != nil {
		return err
	}
	if !c.Once { // now, so that a busy port is found before the story
		if d.yours, err = openHospital(filepath.Join(dir, "yours"), true, Listen{GRPC: c.GRPC, HTTP: c.HTTP, Ops: c.Ops}, nil); err != nil {
			return err
		}
	}
	r, err := d.play(ctx)
	if err != nil {
		return err
	}
	r.write(d)
	if c.JSON {
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	}
	if !c.Once {
		d.invite()
		<-ctx.Done()
	}
	if !r.InvariantsHold {
		return errInvariant
	}
	return nil
}

func (c *demoCmd) runFeed(ctx context.Context, d *demo, dir string) error {
	rows, err := d.feedStory(ctx, dir)
	if err != nil {
		return err
	}
	d.tellFeed(rows)
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(rows)
	}
	return nil
}

func (c *demoCmd) chinese() bool { return inChinese(c.Lang, false) }

// demo is the stage: two hospitals, one whose HIS can freeze stock and one whose
// HIS cannot, each with a WeChat Pay and a hisgate of its own.
type demo struct {
	out  io.Writer
	zh   bool
	run  string // part of every order_no, so that a kept data folder can be played on again
	next int

	freeze, plain *hospital
	yours         *hospital // stays up for the reader, at the pace of people
}

// open starts the two hospitals of the story, in quick time.
func (d *demo) open(dir string) (err error) {
	d.say("Two hospitals open: their HIS and WeChat Pay are simulated, behind real sockets and with real signatures.",
		"两家医院开门：HIS 与微信支付是模拟的，网络连接和签名是真实的。")
	anywhere := Listen{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	if d.freeze, err = openHospital(filepath.Join(dir, "freeze"), true, anywhere, quickTime); err != nil {
		return err
	}
	d.plain, err = openHospital(filepath.Join(dir, "plain"), false, anywhere, quickTime)
	return err
}

func (d *demo) close() {
	for _, h := range []*hospital{d.freeze, d.plain, d.yours} {
		if h != nil {
			h.close()
		}
	}
}

// say tells one line of the story in the language of the reader. Both texts
// take the same arguments in the same order.
func (d *demo) say(en, zh string, args ...any) {
	text := en
	if d.zh {
		text = zh
	}
	fmt.Fprintf(d.out, text+"\n", args...)
}

// orderNo makes the next order number of a strategy's row.
func (d *demo) orderNo(row string) string {
	d.next++
	return fmt.Sprintf("%s-%s-%02d", strings.ReplaceAll(row, "RESERVE_NO_FREEZE", "PLAIN"), d.run, d.next)
}

// invite prints what the reader may try next; every line works as it stands.
func (d *demo) invite() {
	h := d.yours
	base := "http://" + h.program.HTTPAddr
	no := d.orderNo("TRY")
	d.say("\nhisgate stays up (Ctrl-C ends it). Try:", "\nhisgate 继续运行（Ctrl-C 结束）。可以试试：")
	for _, l := range []string{
		fmt.Sprintf(`curl -s '%s/v1/stock/00010041?pharmacy_id=HLWYF'`, base),
		fmt.Sprintf(`curl -s %s/v1/locks -d '{"order_no":"TRY-LOCK","pharmacy_id":"HLWYF","items":[{"drug_id":"00010041","quantity":"30"}],"ttl":"900s"}'`, base),
		fmt.Sprintf(`curl -s -X POST %s/v1/locks/TRY-LOCK:release`, base),
		fmt.Sprintf(`curl -s %s/v1/orders -d '{"order_no":"%s","strategy":"RESERVE","pharmacy_id":"HLWYF","items":[{"drug_id":"00010041","quantity":"30"}],"payment":{"method":"NATIVE","appid":"%s","description":"互联网医院药费"}}'`, base, no, simAppID),
		fmt.Sprintf(`curl -s %s/sim/pay -d '{"out_trade_no":"%s"}'`, h.sims.WeChatURL, no),
		fmt.Sprintf(`curl -s %s/v1/orders/%s`, base, no),
		fmt.Sprintf(`curl -s %s/sim/sell -d '{"pharmacy_id":"HLWYF","drug_id":"00010041","quantity":500}'`, h.sims.HISURL),
		fmt.Sprintf(`curl -s %s/v1/proof`, base),
		fmt.Sprintf(`curl -s http://%s/metrics | grep hisgate_`, h.program.OpsAddr),
	} {
		fmt.Fprintln(d.out, "  "+l)
	}
	d.say("gRPC with reflection: %s    OpenAPI: %s/openapi.json    log: %s", "gRPC（支持 reflection）：%s    OpenAPI：%s/openapi.json    日志：%s",
		h.program.GRPCAddr, base, h.logFile.Name())
}

// demoLogger writes hisgate's own log beside its data, so that the story stays
// readable.
func demoLogger(dir string) (*slog.Logger, *os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "hisgate.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return slog.New(slog.NewJSONHandler(f, nil)), f, nil
}
