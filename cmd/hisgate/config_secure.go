package main

import (
	"net"
	"net/http"
	"time"

	"github.com/hisgate/hisgate/gateway/server/access"
)

// TLS encrypts listen.grpc and listen.http.
type TLS struct {
	CertFile     string        `yaml:"cert_file" doc:"Certificate chain (PEM) of listen.grpc and listen.http; empty = without TLS. The files are read again when they change, and no connection drops."`
	KeyFile      string        `yaml:"key_file" doc:"Its private key (PEM)."`
	ClientCAFile string        `yaml:"client_ca_file" doc:"The authorities (PEM) whose client certificates are believed; auth.callers_file says whose they are. Empty = none are asked for."`
	ClientCert   string        `yaml:"client_cert" doc:"optional: a client without a certificate may show a token. required: it does not get a connection."`
	Min          string        `yaml:"min" doc:"The oldest version of TLS that is spoken: 1.2 or 1.3."`
	HSTS         time.Duration `yaml:"hsts" doc:"Over TLS, tell browsers (Strict-Transport-Security) to speak TLS alone to this host for so long. It binds all ports of the host: leave it 0, which says nothing, where a page of the HIS is served from it without TLS."`
	Plaintext    bool          `yaml:"plaintext" doc:"Let tokens cross the network without TLS. Only where something else encrypts: a proxy on the same host, or a service mesh."`
}

// Auth is how callers prove who they are. Without it there is one caller, local,
// who may do everything, and only loopback addresses can be listened on.
type Auth struct {
	CallersFile string `yaml:"callers_file" doc:"A list of callers, with the hash of a token or the name of a client certificate, and the roles of each; hisgate token new makes entries. Read again when it changes."`
	JWT         JWT    `yaml:"jwt"`
}

// JWT is which JSON Web Tokens count.
type JWT struct {
	KeysFile   string `yaml:"keys_file" doc:"Public keys or certificates (PEM) that verify JSON Web Tokens, RS, PS, ES or EdDSA; empty = none count. Read again when it changes."`
	Issuer     string `yaml:"issuer" doc:"The iss that a token must have."`
	Audience   string `yaml:"audience" doc:"The aud that a token must have among its own."`
	NameClaim  string `yaml:"name_claim" doc:"The claim that holds the caller's name."`
	RolesClaim string `yaml:"roles_claim" doc:"The claim that holds the roles: a list, or words."`

	PharmaciesClaim string `yaml:"pharmacies_claim" doc:"The claim that holds the pharmacies of a reporter: a list, or one. A reporter whose token lacks it may then report of none. Empty = a reporter may report of all."`
}

func (a Auth) configured() bool { return a.CallersFile != "" || a.JWT.KeysFile != "" }

func (a Auth) options() access.Options {
	return access.Options{CallersFile: a.CallersFile, JWT: access.JWT(a.JWT)}
}

func (c *Config) validateListen(k *checker) {
	for _, l := range []struct{ addr, path string }{
		{c.Listen.GRPC, "listen.grpc"}, {c.Listen.HTTP, "listen.http"}, {c.Listen.Ops, "listen.ops"},
	} {
		host, _, err := net.SplitHostPort(l.addr)
		switch {
		case err != nil:
			k.want(false, l.path, "want host:port: %v", err)
		case isLoopback(host):
		case l.path == "listen.ops":
			k.want(c.Listen.OpsOpen, l.path, "%s is not a loopback address; listen.ops_open says that whoever reaches it may see metrics and health", l.addr)
		case !c.Auth.configured():
			k.want(false, l.path, "%s is not a loopback address; hisgate has no authentication configured (auth.*), so only this machine may reach it", l.addr)
		default:
			k.want(c.TLS.CertFile != "" || c.TLS.Plaintext, l.path, "%s is not a loopback address, and tokens would cross the network in the clear: set tls.cert_file, or tls.plaintext where something else encrypts", l.addr)
		}
	}
	for _, origin := range c.Listen.CORSOrigins {
		err := http.NewCrossOriginProtection().AddTrustedOrigin(origin)
		k.want(err == nil, "listen.cors_origins", "%v", err)
	}
	if c.Listen.Webhook != "" {
		_, _, err := net.SplitHostPort(c.Listen.Webhook)
		k.want(err == nil, "listen.webhook", "want host:port: %v", err)
	}
}

func (c *Config) validateSecure(k *checker) {
	for _, f := range []struct{ file, path string }{
		{c.TLS.CertFile, "tls.cert_file"},
		{c.TLS.KeyFile, "tls.key_file"},
		{c.TLS.ClientCAFile, "tls.client_ca_file"},
		{c.Auth.CallersFile, "auth.callers_file"},
		{c.Auth.JWT.KeysFile, "auth.jwt.keys_file"},
	} {
		if f.file != "" {
			k.readable(f.file, f.path)
		}
	}
	k.want((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls.key_file", "tls.cert_file and tls.key_file belong together")
	k.want(c.TLS.ClientCAFile == "" || c.TLS.CertFile != "", "tls.client_ca_file", "needs tls.cert_file")
	k.want(c.TLS.ClientCAFile == "" || c.Auth.CallersFile != "", "tls.client_ca_file", "needs auth.callers_file, which says whose a certificate is")
	k.oneOf(c.TLS.ClientCert, "tls.client_cert", "optional", "required")
	k.want(c.TLS.ClientCert == "optional" || c.TLS.ClientCAFile != "", "tls.client_cert", "needs tls.client_ca_file")
	k.oneOf(c.TLS.Min, "tls.min", "1.2", "1.3")
	k.between(c.TLS.HSTS, "tls.hsts", 0, 2*365*24*time.Hour)
	k.want(c.TLS.HSTS == 0 || c.TLS.CertFile != "", "tls.hsts", "needs tls.cert_file")
	if c.Auth.JWT.KeysFile != "" {
		k.want(c.Auth.JWT.Issuer != "", "auth.jwt.issuer", "must be set")
		k.want(c.Auth.JWT.Audience != "", "auth.jwt.audience", "must be set, or every token of the same issuer would count")
	}
}
