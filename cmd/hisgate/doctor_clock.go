package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	skewWarn = 30 * time.Second
	skewRed  = 240 * time.Second // WeChat refuses what is five minutes off
)

// clock judges how far this clock is ahead of another's.
func (d *doctor) clock(check string, ahead time.Duration) {
	found := fmt.Sprintf(d.say("本机时钟快 %s", "our clock is %s ahead"), ahead.Round(time.Second))
	do := d.say("让 NTP（chrony、w32time）校时", "have NTP (chrony, w32time) set the clock")
	switch off := ahead.Abs(); {
	case off >= skewRed:
		d.add(red, check, found, do)
	case off >= skewWarn:
		d.add(warned, check, found, do)
	default:
		d.ok(check, "%s", found)
	}
}

// resolve looks a host up by name.
func (d *doctor) resolve(ctx context.Context, check, host string) {
	if net.ParseIP(host) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		d.add(red, check, err.Error(), d.say("检查 /etc/resolv.conf 与防火墙；或写入 hosts", "look at /etc/resolv.conf and the firewall, or name it in hosts"))
		return
	}
	d.ok(check, "%s → %s", host, strings.Join(addrs, ", "))
}

// oneLine keeps a finding on its line of the table.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// printLines writes one JSON object a line.
func printLines[T any](out io.Writer, all []T) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, one := range all {
		if err := enc.Encode(one); err != nil {
			return err
		}
	}
	return nil
}
