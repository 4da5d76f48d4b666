//go:build !race

package feedtest

const messages = 100_000
