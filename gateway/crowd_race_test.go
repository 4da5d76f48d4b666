//go:build race

package gateway_test

// crowdSize: the race detector knows at most 8128 goroutines at once.
const crowdSize = 2000
