//go:build !race

package gateway_test

// crowdSize is how many readers stand before the HIS.
const crowdSize = 10_000
