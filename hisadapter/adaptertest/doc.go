// Package adaptertest is the suite that every driver of a HIS passes. A driver
// that does not pass it does not exist.
//
//	func TestDriver(t *testing.T) {
//		adaptertest.Run(t, func(t *testing.T) (hisadapter.Driver, adaptertest.Control) {
//			return openDriver(t), openControl(t)
//		})
//	}
//
// Run opens a fresh HIS for each of its tests and holds the driver to what its
// own Capabilities declare. The Control is the hand on the other side: it sets
// stock, sells behind our back, lets time pass and makes the HIS fail. What a
// Control cannot do to its HIS it leaves out of Fixture, and the suite then
// leaves out the tests of it.
package adaptertest
