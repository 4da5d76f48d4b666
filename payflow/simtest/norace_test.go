//go:build !race

package simtest_test

// seeds is how many seeds a run has by itself.
const seeds = 2500
