package memengine

import (
	"errors"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// view is one moment of an opening; it ends with the opening.
type view struct {
	engine *Engine
	root   *node
}

var _ engine.Reader = (*view)(nil)

// Get implements [engine.Reader].
func (v *view) Get(key []byte) ([]byte, error) {
	if _, err := v.engine.snapshot(); err != nil {
		return nil, err
	}
	return v.root.valueOf(key)
}

// Scan implements [engine.Reader].
func (v *view) Scan(start, end []byte, fn func(key, value []byte) error) error {
	if _, err := v.engine.snapshot(); err != nil {
		return err
	}
	return v.root.each(start, end, fn)
}

// Epoch implements [engine.Reader].
func (v *view) Epoch() uint64 { return v.engine.epoch }

// valueOf returns a copy of what is stored under the key.
func (n *node) valueOf(key []byte) ([]byte, error) {
	value, ok := n.get(key)
	if !ok {
		return nil, engine.ErrNotFound
	}
	return clone(value), nil
}

// each is scan by the contract of [engine.Reader].
func (n *node) each(start, end []byte, fn func(key, value []byte) error) error {
	err := n.scan(start, end, fn)
	if errors.Is(err, engine.ErrStop) {
		return nil
	}
	return err
}
