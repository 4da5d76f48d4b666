// Package report turns rounds of measured figures into medians, spreads and
// ratios, and prints them for people and for programs.
package report

import (
	"math"
	"slices"
)

// Median of the values; of an even number the mean of the middle two. NaN for
// none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// Spread returns the smallest and the largest value; NaN for none.
func Spread(values []float64) (low, high float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(values), slices.Max(values)
}
