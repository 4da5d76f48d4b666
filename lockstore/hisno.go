package lockstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// hisNo is the HIS's idempotency key of an attempt [B5].
func (p *Policy) hisNo(id ID) (string, error) {
	no := numbered(id)
	if p.HisNoMax > 0 && len(no) > p.HisNoMax {
		return "", &InvalidError{Field: "order_no", Reason: fmt.Sprintf(
			"its number at the HIS would be %q with %d bytes, and the HIS takes %d", no, len(no), p.HisNoMax)}
	}
	return no, nil
}

// HISNo is the number of an attempt at the HIS [B5].
func (id ID) HISNo() string { return numbered(id) }

func numbered(id ID) string {
	if id.Attempt == 1 {
		return id.OrderNo
	}
	return id.OrderNo + "-" + strconv.Itoa(id.Attempt)
}

// namesake returns the one attempt of another order that would have the same
// number at the HIS, if there can be one: attempt 2 of RX1 and the first attempt
// of an order that is called RX1-2.
func namesake(id ID) (other ID, possible bool) {
	if id.Attempt > 1 {
		return ID{numbered(id), 1}, true
	}
	i := strings.LastIndexByte(id.OrderNo, '-')
	if i < 1 || strings.HasPrefix(id.OrderNo[i+1:], "0") {
		return ID{}, false
	}
	n, err := strconv.ParseUint(id.OrderNo[i+1:], 10, 32)
	if err != nil || n < 2 {
		return ID{}, false
	}
	return ID{id.OrderNo[:i], int(n)}, true
}

// number gives the attempt its number at the HIS, under mu, from where the
// number stays given: one that another order has is passed over by a further
// attempt and refuses a first one [B5]. It reads the disk only for the few
// orders that can have a namesake.
//
// Errors: ErrOrderNoReused, *InvalidError, those of a disk that cannot be read.
func (l *Ledger) number(id ID) (ID, string, error) {
	for ; ; id.Attempt++ {
		no, err := l.policy.hisNo(id)
		if err != nil {
			return ID{}, "", err
		}
		other, possible := namesake(id)
		if possible {
			_, err = l.attempt(other)
		}
		switch {
		case !possible, errors.Is(err, ErrNotFound):
			return id, no, nil
		case err != nil:
			return ID{}, "", err
		case id.Attempt == 1:
			return ID{}, "", ErrOrderNoReused
		}
	}
}
