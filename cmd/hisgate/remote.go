package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hisgate/hisgate/client"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The exit statuses of all commands.
const (
	exitNo     = 1 // the answer is no: refused, not found, a difference; or something failed on the way
	exitNobody = 2 // nothing was asked: the command line is wrong, no server listens, no such folder
)

const (
	serverEnv     = "HISGATE_SERVER" // these two are no settings of the configuration
	tokenEnv      = "HISGATE_TOKEN_FILE"
	defaultServer = "127.0.0.1:9090" // of serverFlags
	maxReceived   = 64 << 20         // bytes of one answer; a story with all its locks is the longest
)

// exitError is an error that ends the process with a status of its own; others
// end it with exitNo.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *exitError) Unwrap() error { return e.err }

// nobody says that nothing was asked.
func nobody(format string, args ...any) error {
	return &exitError{code: exitNobody, err: fmt.Errorf(format, args...)}
}

// exitCode is the status that an error ends the process with.
func exitCode(err error) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitNo
}

// serverFlags reach a running hisgate.
type serverFlags struct {
	Server    string        `default:"127.0.0.1:9090" env:"HISGATE_SERVER" placeholder:"HOST:PORT" help:"gRPC address of the running hisgate, its listen.grpc (${default}; environment ${env})."`
	TLS       bool          `name:"tls" help:"Speak TLS; also with --ca-file or --cert-file. Without it only loopback addresses are spoken to."`
	CAFile    string        `name:"ca-file" placeholder:"FILE" help:"The authorities (PEM) that the server's certificate may be of; without it those of the system."`
	CertFile  string        `name:"cert-file" placeholder:"FILE" help:"Client certificate (PEM)."`
	KeyFile   string        `name:"key-file" placeholder:"FILE" help:"Its private key (PEM)."`
	TokenFile string        `name:"token-file" env:"HISGATE_TOKEN_FILE" placeholder:"FILE" help:"A file with the token to show (environment ${env})."`
	Timeout   time.Duration `default:"0" help:"How long to wait for the whole answer; 0 = 30s, an hour for a verification, and without end where data is streamed."`
}

// answerTime is how long a command waits for an answer that is not a stream.
const answerTime = 30 * time.Second

// dial prepares the connection; it does not block. Only loopback addresses are
// spoken to without encryption.
func (f serverFlags) dial() (*client.Client, error) {
	host, _, err := net.SplitHostPort(f.Server)
	if err != nil {
		return nil, nobody("--server %s: want HOST:PORT, as in 127.0.0.1:9090", f.Server)
	}
	o := client.Options{
		TokenFile: f.TokenFile, Attempts: 1, // a person at the command line decides about another
		DialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceived))},
	}
	switch {
	case f.TLS || f.CAFile != "" || f.CertFile != "":
		if o.TLS, err = client.TLSFiles(f.CAFile, f.CertFile, f.KeyFile); err != nil {
			return nil, nobody("%s", strings.TrimPrefix(err.Error(), "hisgate: "))
		}
	case !isLoopback(host):
		return nil, nobody("--server %s: not a loopback address; --tls speaks to others", f.Server)
	}
	c, err := client.Dial(f.Server, o)
	if err != nil {
		return nil, nobody("%s", strings.TrimPrefix(err.Error(), "hisgate: "))
	}
	return c, nil
}

// ask runs do with a connection to the server, within the time that the flags
// give, or else the usual one (0 = none).
func (f serverFlags) ask(ctx context.Context, usual time.Duration, do func(context.Context, hisgatev1.OpsServiceClient) error) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if f.Timeout > 0 {
		usual = f.Timeout
	}
	if usual > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, usual)
		defer cancel()
	}
	return do(ctx, c.Ops)
}

// outputFlags say how a command answers.
type outputFlags struct {
	langFlags `embed:""`
	JSON      bool `name:"json" help:"Print JSON, one object a line, instead of text."`
}

// langFlags say in which language.
type langFlags struct {
	Lang string `enum:"auto,zh,en" default:"auto" help:"Language: zh, en, or that of the locale; zh when there is none."`
}

func (o langFlags) chinese() bool { return inChinese(o.Lang, true) }

// say picks one of two texts by the language.
func (o langFlags) say(zh, en string) string {
	if o.chinese() {
		return zh
	}
	return en
}

// words picks the language of a text; what stands in one language alone is given
// in that.
func (o langFlags) words(t *hisgatev1.Text) string {
	if s := o.say(t.GetZh(), t.GetEn()); s != "" {
		return s
	}
	return o.say(t.GetEn(), t.GetZh())
}

// inChinese settles the language of a text; unset says what counts without any
// locale.
func inChinese(lang string, unset bool) bool {
	if lang != "auto" {
		return lang == "zh"
	}
	for _, v := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		switch s := os.Getenv(v); {
		case s == "":
		case s == "C", s == "POSIX", strings.HasPrefix(s, "C."):
			return unset
		default:
			return strings.HasPrefix(s, "zh")
		}
	}
	return unset
}

// jsonForm is the JSON of the API: the names of the .proto files, zero values
// too, on one line.
var jsonForm = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// printJSON prints a message as one line.
func printJSON(m proto.Message) error {
	b, err := jsonForm.Marshal(m)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(b, '\n'))
	return err
}

// failed puts the error of a call into one line: REASON, then the words in the
// language wanted. An error of the connection names the server.
func (o langFlags) failed(server string, err error) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	var reason, words string
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetReason()
		case *errdetails.LocalizedMessage:
			if o.chinese() == strings.HasPrefix(d.GetLocale(), "zh") {
				words = d.GetMessage()
			}
		}
	}
	switch {
	case reason == "" && s.Code() == codes.Unavailable:
		cause := strings.TrimSuffix(s.Message(), `"`) // of the dial, behind the words of gRPC
		return nobody("no hisgate answers at %s: %s", server, strings.TrimSpace(cause[strings.LastIndex(cause, ": ")+1:]))
	case reason == "" && s.Code() == codes.Unimplemented:
		return nobody("what listens at %s does not know this command: %s", server, s.Message())
	case reason == "" && s.Code() == codes.DeadlineExceeded:
		return fmt.Errorf("no answer from %s in time; --timeout waits longer", server)
	case reason == "":
		return fmt.Errorf("%s: %s", s.Code(), s.Message())
	case words == "":
		return fmt.Errorf("%s: %s", reason, s.Message())
	case o.chinese():
		return fmt.Errorf("%s: %s (%s)", reason, words, s.Message())
	default:
		return fmt.Errorf("%s: %s", reason, words)
	}
}
