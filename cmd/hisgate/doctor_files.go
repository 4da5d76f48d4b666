package main

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/gateway/server/access"
)

// expiresSoon is how long before its end a certificate or token is named.
const expiresSoon = 30 * 24 * time.Hour

// files looks at certificates, keys and callers: whether they can be read, belong
// together, and how long they count.
func (d *doctor) files(c Config) {
	if c.TLS.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile); err != nil {
			d.add(red, "tls", err.Error(), d.say("证书与私钥须为 PEM 且配对", "certificate and key must be PEM and belong together"))
		} else {
			d.certificates("tls", c.TLS.CertFile, red)
		}
	}
	if c.TLS.ClientCAFile != "" {
		d.certificates("tls client_ca", c.TLS.ClientCAFile, warned)
	}
	if c.Auth.configured() {
		d.callers(c)
	}
	for _, f := range []struct{ setting, path string }{{"log.file", c.Log.File}, {"log.audit_file", c.Log.Audit}, {"dead_letters.file", c.DeadLetters.File}} {
		if err := appendable(f.path); err != nil {
			d.add(red, f.setting, err.Error(), d.say("给运行 hisgate 的用户写权限", "let the user that runs hisgate write there"))
		} else if f.path != "" {
			d.ok(f.setting, d.say("%s 可写", "%s can be written"), f.path)
		}
	}
	if c.Payment.Enabled {
		d.merchant(c.WeChat)
	}
	for _, f := range c.secretFiles() {
		d.private(f)
	}
}

// certificates judges the ends of the certificates of a PEM file; over is the
// verdict on one that has ended.
func (d *doctor) certificates(check, file string, over verdict) {
	certs, err := readCertificates(file)
	if err != nil {
		d.add(red, check, err.Error(), d.say("须为 PEM 证书", "must be certificates in PEM"))
		return
	}
	for _, cert := range certs {
		d.until(check, cert.Subject.CommonName, cert.NotAfter, over, d.say("换新证书；无需重启", "bring a new certificate; no restart is needed"))
	}
}

// until judges when something ends.
func (d *doctor) until(check, what string, end time.Time, over verdict, do string) {
	found := fmt.Sprintf(d.say("%s：至 %s", "%s: until %s"), what, end.Local().Format(time.DateTime))
	switch left := time.Until(end); {
	case left <= 0:
		d.add(over, check, found, do)
	case left < expiresSoon:
		d.add(warned, check, found, do)
	default:
		d.ok(check, "%s", found)
	}
}

func readCertificates(file string) ([]*x509.Certificate, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: holds no certificate in PEM", file)
	}
	return out, nil
}

// callers reads the lists as a start would, and names tokens that end.
func (d *doctor) callers(c Config) {
	do := d.say("改正 auth.* 指的文件", "mend the file that auth.* names")
	if _, err := access.New(c.Auth.options()); err != nil {
		for _, e := range parts(err) {
			d.add(red, "callers", e.Error(), do)
		}
		return
	}
	var grants []access.Grant
	if c.Auth.CallersFile != "" {
		b, err := os.ReadFile(c.Auth.CallersFile)
		if err == nil {
			err = yaml.Load(b, &grants)
		}
		if err != nil {
			d.add(red, "callers", err.Error(), do)
			return
		}
	}
	d.ok("callers", d.say("可读，%d 个调用方", "can be read, %d callers"), len(grants))
	for _, g := range grants {
		if !g.Expires.IsZero() && time.Until(g.Expires) < expiresSoon {
			d.until("callers", g.Name, g.Expires, warned, d.say("用 hisgate token new 发新令牌", "make a new token: hisgate token new"))
		}
	}
}

// merchantCert is the certificate beside the merchant's key, as the merchant
// console hands both out. hisgate needs its serial number only.
const merchantCert = "apiclient_cert.pem"

// merchant compares the certificate, where it lies beside the key, with key and
// serial number.
func (d *doctor) merchant(w WeChat) {
	file := filepath.Join(filepath.Dir(w.MerchantKeyFile), merchantCert)
	if _, err := os.Stat(file); err != nil {
		d.ok("merchant certificate", d.say("%s 不在私钥旁，未查有效期", "no %s beside the key; its end was not looked at"), merchantCert)
		return
	}
	certs, err := readCertificates(file)
	if err != nil {
		d.add(warned, "merchant certificate", err.Error(), d.say("从商户平台重新下载", "download it again from the merchant console"))
		return
	}
	d.until("merchant certificate", string(w.MerchantSerial), certs[0].NotAfter, red, d.say("在商户平台换证书，见 docs/operations.md", "change it in the merchant console, see docs/operations.md"))
	if serial := fmt.Sprintf("%X", certs[0].SerialNumber); !strings.EqualFold(strings.TrimLeft(string(w.MerchantSerial), "0"), strings.TrimLeft(serial, "0")) {
		d.add(red, "merchant certificate", fmt.Sprintf(d.say("%s 的序列号是 %s", "%s has the serial number %s"), file, serial), d.say("改正 wechat.merchant_serial", "mend wechat.merchant_serial"))
	}
	key, err := tls.LoadX509KeyPair(file, w.MerchantKeyFile)
	if _, ok := key.PrivateKey.(*rsa.PrivateKey); err != nil || !ok {
		d.add(red, "merchant certificate", d.say("私钥与证书不配对", "key and certificate do not belong together"), d.say("用同一次下载的两个文件", "use the two files of one download"))
	}
}

// private warns of a secret that every user of the machine can read.
func (d *doctor) private(file string) {
	if file == "" || runtime.GOOS == "windows" {
		return
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o007 != 0 {
		d.add(warned, "secrets", fmt.Sprintf(d.say("%s 人人可读", "%s can be read by every user"), file), "chmod o= "+file)
	}
}
