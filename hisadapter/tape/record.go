package tape

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// Recorder keeps exchanges in a folder. Its methods are safe for concurrent use.
type Recorder struct {
	dir  string
	hide []string // references of patients

	mu  sync.Mutex
	n   int
	err error
}

// Record begins a tape in a folder, which is made when missing and must be empty.
// The values of head.Attributes stand on the tape nowhere.
func Record(dir string, head Head) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("%s is not empty: a tape gets a folder of its own", dir)
	}
	r := &Recorder{dir: dir}
	attributes := map[string]string{}
	for name, v := range head.Attributes {
		attributes[name] = masked
		r.hide = append(r.hide, v)
	}
	head.Attributes = attributes
	return r, writeYAML(dir, headFile, head)
}

// keep writes the files of one exchange; answer is nil where there is none of its
// own. A file that cannot be written shows at Close.
func (r *Recorder) keep(op string, entry any, answer []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	name := fmt.Sprintf("%04d-%s", r.n, op)
	r.err = errors.Join(r.err, writeYAML(r.dir, name+".yaml", entry))
	if answer != nil {
		r.err = errors.Join(r.err, write(r.dir, name+".answer", answer))
	}
}

// Close ends the tape. Its error is all that could not be written.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
