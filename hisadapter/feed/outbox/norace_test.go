//go:build !race

package outbox_test

// sales are the changes of the large test.
const sales = 100_000
