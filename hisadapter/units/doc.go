// Package units converts between what a HIS counts and what hisgate counts,
// without a float anywhere.
//
// hisgate counts in the drug's smallest dispensing unit (片, 支, g), whole. A HIS
// may count packs, decimals of a pack, kilograms, or pieces of what is only sold
// whole. A [Ratio] joins the two: so many smallest units are one unit of the HIS.
//
//	HIS counts        smallest unit   ratio
//	box of 24         tablet          24
//	box of 5, 2.4     vial            5
//	kilogram          gram            1000
//	tablet            sealed box      1/24
//
// The rules:
//
//   - Readings are rounded down, towards minus infinity: never promise what is
//     not there, and an overdrawn shelf is at least as overdrawn as the HIS says.
//   - Outgoing quantities are exact, or a [NotExactError] before anything is sent.
//   - Lots: see [Ratio.Lots].
//   - A price is an exact decimal in yuan for so many smallest units. What a
//     line costs is the affair of internal/money.
//
// [Table] holds the ratios and multiples of drugs whose HIS does not tell them.
package units
