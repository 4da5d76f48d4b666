package tape

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// Player answers from a tape: as the transport of httphis.Options, or as the next
// of sqlhis.Offline. It is safe for concurrent use.
type Player struct {
	Head Head

	mu    sync.Mutex
	queue map[string][]exchange // by operation
	left  int
	now   time.Time
}

var _ http.RoundTripper = (*Player)(nil)

// exchange is one of the two.
type exchange struct {
	http *httpEntry
	sql  *sqlhis.Exchange
}

func (x exchange) end() (op string, at time.Time) {
	if x.sql != nil {
		return x.sql.Op, x.sql.At.Add(x.sql.Duration)
	}
	return x.http.Op, x.http.At.Add(x.http.Duration)
}

// Play opens a tape. Its error names the file that is not as it must be.
func Play(dir string) (*Player, error) {
	p := &Player{queue: map[string][]exchange{}}
	if err := readYAML(filepath.Join(dir, headFile), &p.Head); err != nil {
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
		var x exchange
		if p.Head.SQL {
			x.sql, err = readSQL(dir, name)
		} else {
			x.http, err = readHTTP(dir, name)
		}
		if err != nil {
			return nil, err
		}
		op, _ := x.end()
		if !slices.Contains(append(httphis.Ops(), httphis.OpLogin), httphis.Op(op)) {
			return nil, fmt.Errorf("%s: there is no operation %q", filepath.Join(dir, f.Name()), op)
		}
		p.queue[op] = append(p.queue[op], x)
		p.left++
	}
	return p, nil
}

// take gives the next exchange of an operation.
func (p *Player) take(op string) (exchange, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue[op]) == 0 {
		return exchange{}, fmt.Errorf("the tape has no further %s", op)
	}
	x := p.queue[op][0]
	p.queue[op] = p.queue[op][1:]
	p.left--
	if _, end := x.end(); end.After(p.now) {
		p.now = end
	}
	return x, nil
}

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
