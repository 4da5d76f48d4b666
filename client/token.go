package client

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// tokenAge is how long a token file counts before it is read again.
const tokenAge = 10 * time.Second

// token shows who calls. Where it may go, Dial has decided.
type token struct {
	file string // "" = the value is for ever

	mu    sync.Mutex
	value string
	read  time.Time
}

// newToken returns nil without a token.
func newToken(o Options) (*token, error) {
	switch {
	case o.Token != "":
		return &token{value: o.Token}, nil
	case o.TokenFile != "":
		t := &token{file: o.TokenFile}
		_, err := t.current()
		return t, err
	default:
		return nil, nil
	}
}

// current is the token that counts now. A file that cannot be read any more leaves
// the last one.
func (t *token) current() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == "" || t.value != "" && time.Since(t.read) < tokenAge {
		return t.value, nil
	}
	b, err := os.ReadFile(t.file)
	value := strings.TrimSpace(string(b))
	switch {
	case err == nil && value != "":
		t.value = value
	case t.value != "":
	case err != nil:
		return "", fmt.Errorf("hisgate: token: %w", err)
	default:
		return "", fmt.Errorf("hisgate: token: %s is empty", t.file)
	}
	t.read = time.Now()
	return t.value, nil
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (t *token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	value, err := t.current()
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + value}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: Dial has
// refused plain connections where they leave the host.
func (*token) RequireTransportSecurity() bool { return false }
