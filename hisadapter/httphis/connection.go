package httphis

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// connection is how the HIS is reached.
type connection struct {
	url       *url.URL
	charset   charset
	proxy     *url.URL
	answerMax int64
	login     time.Duration // the longest that a login may take
	tls       tlsSpec
}

type tlsSpec struct {
	min        uint16
	ciphers    []uint16
	roots      *x509.CertPool
	client     []tls.Certificate
	serverName string
	insecure   bool
}

func (t tlsSpec) legacy() bool { return t.min != 0 && t.min < tls.VersionTLS12 }

func (t tlsSpec) config() *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: t.ciphers, RootCAs: t.roots, Certificates: t.client,
		ServerName: t.serverName, InsecureSkipVerify: t.insecure,
	}
	if t.min != 0 {
		c.MinVersion = t.min
	}
	return c
}

func (l *loader) connection(n *yaml.Node) {
	c := &l.m.conn
	l.Group(n, "connection", mapfile.Keys{
		"url":     func(n *yaml.Node) { c.url = l.url(n, "connection: url") },
		"charset": func(n *yaml.Node) { c.charset = charset(l.oneOf(n, "connection: charset", charsetNames()...)) },
		"proxy":   func(n *yaml.Node) { c.proxy = l.url(n, "connection: proxy") },
		"answer_max": func(n *yaml.Node) {
			c.answerMax = l.whole(n, "connection: answer_max", 1<<10, 256<<20)
		},
		"login_timeout": func(n *yaml.Node) { c.login = l.duration(n, "connection: login_timeout") },
		"tls":           l.tls,
	})
	if c.url == nil {
		l.At(n, "connection: url is missing")
		c.url = &url.URL{Scheme: "http", Host: "missing"} // it is one fault, not two
	}
}

func (l *loader) url(n *yaml.Node, what string) *url.URL {
	s, ok := l.text(n, what)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "@"): // and it is not printed
		l.At(n, "%s: a name or password does not stand in an address; use a header and secrets", what)
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		l.At(n, "%s: %q is not an http or https address", what, s)
	case u.RawQuery != "" || u.Fragment != "":
		l.At(n, "%s: what follows ? belongs into request: query", what)
	}
	return u
}

func (l *loader) tls(n *yaml.Node) {
	t := &l.m.conn.tls
	var cert, key string
	l.Group(n, "tls", mapfile.Keys{
		"min": func(n *yaml.Node) {
			t.min = map[string]uint16{
				"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
			}[l.oneOf(n, "tls: min", "1.0", "1.1", "1.2", "1.3")]
		},
		"ciphers": func(n *yaml.Node) {
			for _, name := range l.texts(n, "tls: ciphers") {
				all := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
				i := slices.IndexFunc(all, func(s *tls.CipherSuite) bool { return s.Name == name })
				if i < 0 {
					l.At(n, "tls: ciphers: %q is not known; names are such as TLS_RSA_WITH_AES_128_CBC_SHA", name)
					continue
				}
				t.ciphers = append(t.ciphers, all[i].ID)
			}
		},
		"ca_file": func(n *yaml.Node) {
			name, _ := l.text(n, "tls: ca_file")
			pem, err := os.ReadFile(l.m.beside(name))
			if err != nil {
				l.At(n, "tls: ca_file: %v", err)
				return
			}
			t.roots = x509.NewCertPool()
			if !t.roots.AppendCertsFromPEM(pem) {
				l.At(n, "tls: ca_file: %s holds no certificate (PEM)", name)
			}
		},
		"cert_file":            func(n *yaml.Node) { cert, _ = l.text(n, "tls: cert_file") },
		"key_file":             func(n *yaml.Node) { key, _ = l.text(n, "tls: key_file") },
		"server_name":          func(n *yaml.Node) { t.serverName, _ = l.text(n, "tls: server_name") },
		"insecure_skip_verify": func(n *yaml.Node) { t.insecure = l.boolean(n, "tls: insecure_skip_verify") },
	})
	if cert == "" && key == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(l.m.beside(cert), l.m.beside(key))
	if err != nil {
		l.At(n, "tls: cert_file and key_file: %s", strings.TrimPrefix(err.Error(), "tls: "))
		return
	}
	t.client = []tls.Certificate{pair}
}
