//go:build race

package simtest_test

// seeds is how many seeds a run has by itself: the race detector makes each cost
// ten times as much, and looks for other things.
const seeds = 150
