// Package money holds the one rule for what a line of an order costs, so that the
// price of a HIS, of an order and of a simulated HIS can never differ by a fen.
package money
