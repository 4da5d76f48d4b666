package tape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// Player answers requests from a tape. It is the transport of httphis.Options, and
// safe for concurrent use.
type Player struct {
	Head Head

	mu    sync.Mutex
	queue map[httphis.Op][]played
	left  int
	now   time.Time
}

var _ http.RoundTripper = (*Player)(nil)

type played struct {
	name string
	entry
	body []byte
}

// Play opens a tape. Its error names the file that is not as it must be.
func Play(dir string) (*Player, error) {
	p := &Player{queue: map[httphis.Op][]played{}}
	if err := readYAML(dir, headFile, &p.Head); err != nil {
		return nil, err
	}
	p.now = p.Head.Begun
	files, err := os.ReadDir(dir) // in the order of their names
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".yaml")
		if !ok || f.Name() == headFile {
			continue
		}
		x := played{name: name}
		if err := readYAML(dir, f.Name(), &x.entry); err != nil {
			return nil, err
		}
		if !slices.Contains(append(httphis.Ops(), httphis.OpLogin), httphis.Op(x.Op)) {
			return nil, fmt.Errorf("%s: there is no operation %q", filepath.Join(dir, f.Name()), x.Op)
		}
		if x.body, err = os.ReadFile(filepath.Join(dir, name+".answer")); err != nil && (x.Status != 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		p.queue[httphis.Op(x.Op)] = append(p.queue[httphis.Op(x.Op)], x)
		p.left++
	}
	return p, nil
}

// errNoAnswer is what the caller of a call without an answer sees.
var errNoAnswer = errors.New("the tape has no answer to this call, as the HIS had none")

// RoundTrip implements http.RoundTripper.
func (p *Player) RoundTrip(r *http.Request) (*http.Response, error) {
	op := httphis.Operation(r.Context())
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue[op]) == 0 {
		return nil, fmt.Errorf("the tape has no further %s", op)
	}
	x := p.queue[op][0]
	p.queue[op] = p.queue[op][1:]
	p.left--
	if end := x.At.Add(x.Duration); end.After(p.now) {
		p.now = end
	}
	lost := fmt.Errorf("%s: %w", x.name, errNoAnswer)
	if x.NotSent {
		return nil, lost
	}
	if x.Status == 0 { // it was on its way when the answer was lost
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: lostBody{lost}, Request: r}, nil
	}
	return &http.Response{
		StatusCode: x.Status, Status: http.StatusText(x.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header(x.Answer), Body: io.NopCloser(bytes.NewReader(x.body)), ContentLength: int64(len(x.body)), Request: r,
	}, nil
}

// lostBody is an answer that never came.
type lostBody struct{ err error }

func (b lostBody) Read([]byte) (int, error) { return 0, b.err }
func (lostBody) Close() error               { return nil }

// Now is the clock of the tape: when the answer that was played last had come. It
// stands between answers.
func (p *Player) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Left is how many exchanges of the tape were not asked for.
func (p *Player) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}
