// Package feedtest is the suite that every driver of a feed passes, against a
// real server where there is one. A driver that does not pass it does not exist.
//
//	func TestDriver(t *testing.T) {
//		feedtest.Run(t, func(t *testing.T) *feedtest.Source {
//			proxy := feedtest.NewProxy(t, serverAddress)
//			driver := … // over a fresh queue, through proxy.Addr()
//			return &feedtest.Source{Driver: driver, Proxy: proxy, Publish: publish}
//		})
//	}
//
// Run opens a fresh Source for each of its tests, publishes numbered messages,
// runs the driver as the feed does (again after every error), and makes trouble:
// it cuts the connection in the middle of a batch, lets it fall silent, kills the
// server, refuses batches, buries messages, takes its time. Every message is
// checked as it arrives: in the source's order, none left out, none given again
// that was acknowledged for certain.
//
// How many messages: 100,000, or 10,000 under the race detector; the environment
// variable HISGATE_FEED_MESSAGES says otherwise.
package feedtest
