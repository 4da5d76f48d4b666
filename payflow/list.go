package payflow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/lockstore/engine"
)

const (
	pageDefault = 50
	pageMost    = 500
	// scanMost bounds the work of one page: a page may come back short, with a
	// token to go on.
	scanMost = 20_000
)

func pageSize(n int) (int, error) {
	switch {
	case n < 0 || n > pageMost:
		return 0, &InvalidError{Field: "page_size", Reason: fmt.Sprintf("must be 0 to %d", pageMost)}
	case n == 0:
		return pageDefault, nil
	default:
		return n, nil
	}
}

func pageStart(token, prefix string) ([]byte, error) {
	if token == "" {
		return []byte(prefix), nil
	}
	key, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || !bytes.HasPrefix(key, []byte(prefix)) || len(key) < len(prefix)+8 {
		return nil, &InvalidError{Field: "page_token", Reason: "is not one of ours"}
	}
	return append(key, 0), nil // behind the last one shown
}

// List returns orders, newest first. It reads the store and may return a short
// page with a token. Errors: *InvalidError.
func (s *Service) List(ctx context.Context, q ListQuery) (orders []Order, next string, err error) {
	if s.pay == nil {
		return nil, "", ErrDisabled
	}
	size, err := pageSize(q.PageSize)
	if err != nil {
		return nil, "", err
	}
	start, err := pageStart(q.PageToken, prefixTime)
	if err != nil {
		return nil, "", err
	}
	if !q.CreatedBefore.IsZero() { // later ones come first: skip them
		if first := keyTime(prefixTime, q.CreatedBefore.Add(-1), ""); bytes.Compare(first, start) > 0 {
			start = first
		}
	}
	end := after(prefixTime)
	if !q.CreatedAfter.IsZero() {
		end = keyTime(prefixTime, q.CreatedAfter, "\xff") // created_after itself is included
		if bytes.Compare(end, start) <= 0 {
			return nil, "", nil
		}
	}
	scanned := 0
	err = s.engine.Scan(start, end, func(key, _ []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(orders) >= size || scanned >= scanMost {
			return engine.ErrStop
		}
		scanned++
		next = base64.RawURLEncoding.EncodeToString(key)
		o, _, err := s.load(idOfTime(prefixTime, key))
		if err != nil || o == nil || !q.wants(o) {
			return err
		}
		c := o.clone()
		orders = append(orders, *c)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	if len(orders) < size && scanned < scanMost {
		next = ""
	}
	return orders, next, nil
}

func (q *ListQuery) wants(o *Order) bool {
	return o.visibleTo(q.Principal) &&
		(len(q.States) == 0 || slices.Contains(q.States, o.State)) &&
		(q.Strategy == "" || q.Strategy == o.Strategy) &&
		(q.PharmacyID == "" || q.PharmacyID == o.PharmacyID) &&
		(q.CreatedAfter.IsZero() || !o.CreatedAt.Before(q.CreatedAfter)) &&
		(q.CreatedBefore.IsZero() || o.CreatedAt.Before(q.CreatedBefore))
}

// openToken begins the tokens of pages that are still among the open cases.
const openToken = "open:"

// ListCases returns cases: open ones by deadline, then closed ones, the latest
// first. Errors: *InvalidError.
func (s *Service) ListCases(ctx context.Context, q CaseQuery) (cases []Case, next string, err error) {
	if s.pay == nil {
		return nil, "", ErrDisabled
	}
	size, err := pageSize(q.PageSize)
	if err != nil {
		return nil, "", err
	}
	if q.PageToken == "" || strings.HasPrefix(q.PageToken, openToken) {
		open := s.openCasesAfter(q, strings.TrimPrefix(q.PageToken, openToken))
		for _, c := range open[:min(size, len(open))] {
			d, err := s.dressed(c)
			if err != nil {
				return nil, "", err
			}
			cases = append(cases, *d)
		}
		if len(open) > size {
			return cases, openToken + caseOrder(open[size-1]), nil
		}
		if q.OpenOnly {
			return cases, "", nil
		}
		q.PageToken = ""
	}
	start, err := pageStart(q.PageToken, prefixOldAt)
	if err != nil {
		return nil, "", err
	}
	more := false
	scanned := 0
	err = s.engine.Scan(start, after(prefixOldAt), func(key, _ []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(cases) >= size || scanned >= scanMost {
			more = true
			return engine.ErrStop
		}
		scanned++
		next = base64.RawURLEncoding.EncodeToString(key)
		c, err := s.findCase(idOfTime(prefixOldAt, key))
		if err != nil || c == nil || !q.wants(c) {
			return err
		}
		d, err := s.dressed(c)
		if err != nil {
			return err
		}
		cases = append(cases, *d)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	switch {
	case !more:
		next = ""
	case next == "": // the page was full with open ones: begin with the closed ones
		next = base64.RawURLEncoding.EncodeToString(append([]byte(prefixOldAt), make([]byte, 8)...))
	}
	return cases, next, nil
}

// caseOrder sorts open cases: by deadline, then id.
func caseOrder(c *Case) string { return fmt.Sprintf("%020d|%s", c.Deadline.UnixNano(), c.ID) }

func (s *Service) openCasesAfter(q CaseQuery, last string) []*Case {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []*Case
	for _, c := range s.cases {
		if q.wants(c) && caseOrder(c) > last {
			open = append(open, c)
		}
	}
	slices.SortFunc(open, func(a, b *Case) int { return cmp.Compare(caseOrder(a), caseOrder(b)) })
	return open
}

func (q *CaseQuery) wants(c *Case) bool {
	return (q.OrderNo == "" || q.OrderNo == c.OrderNo) &&
		(q.Reason == "" || q.Reason == c.Reason) &&
		(q.Owner == "" || q.Owner == c.Owner)
}

// GetCase returns one case, open or closed. Errors: ErrNotFound.
func (s *Service) GetCase(_ context.Context, id string) (Case, error) {
	if s.pay == nil {
		return Case{}, ErrDisabled
	}
	c, err := s.findCase(id)
	if err != nil {
		return Case{}, err
	}
	if c == nil {
		return Case{}, ErrNotFound
	}
	d, err := s.dressed(c)
	if err != nil {
		return Case{}, err
	}
	return *d, nil
}

func (s *Service) dressed(c *Case) (*Case, error) {
	o, _, err := s.load(c.OrderNo)
	if err != nil {
		return nil, err
	}
	return dress(c, o), nil
}
