package guard

import "context"

// Class is the urgency of a call. Lower values are more urgent.
type Class uint8

// The classes, most urgent first.
const (
	ClassConfirm       Class = iota // PlaceOrder of a paid order, and the FindOrder that it waits for
	ClassClientRelease              // a person or a caller gives stock back
	ClassFreeze                     // a lock is being taken
	ClassQuery                      // somebody waits for a figure
	ClassExpiryRelease              // the clock gives stock back
	ClassRefresh                    // nobody waits

	// ClassLiveCheck is a reading that a lock or a payment waits for. It has
	// the urgency of a freeze.
	ClassLiveCheck = ClassFreeze

	classes = int(ClassRefresh) + 1
)

// Classes lists the classes, most urgent first.
func Classes() []Class {
	return []Class{ClassConfirm, ClassClientRelease, ClassFreeze, ClassQuery, ClassExpiryRelease, ClassRefresh}
}

// String returns the class's name as it stands in settings, logs and metrics.
func (c Class) String() string {
	switch c {
	case ClassConfirm:
		return "confirm"
	case ClassClientRelease:
		return "client_release"
	case ClassFreeze:
		return "freeze"
	case ClassQuery:
		return "query"
	case ClassExpiryRelease:
		return "expiry_release"
	case ClassRefresh:
		return "refresh"
	default:
		return "invalid"
	}
}

type classKey struct{}

// WithClass gives the calls made with the returned context a class. Without one
// a call has the class that its operation suggests: PlaceOrder and CancelOrder
// Confirm, Unfreeze ClientRelease, Freeze Freeze, ListOrders Refresh, the rest
// Query.
func WithClass(ctx context.Context, c Class) context.Context {
	return context.WithValue(ctx, classKey{}, c)
}

// ClassOf returns the class that WithClass gave, and whether it did.
func ClassOf(ctx context.Context) (Class, bool) {
	c, ok := ctx.Value(classKey{}).(Class)
	return c, ok && int(c) < classes
}
