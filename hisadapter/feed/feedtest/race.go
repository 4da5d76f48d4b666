//go:build race

package feedtest

const messages = 10_000
