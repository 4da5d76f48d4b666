// Package feeds measures how long a change of stock takes from its commit at the
// source to a watcher: through each driver of hisadapter/feed, and without a feed.
//
//	t0: commit is about to be sent            t1: the watcher has the figure
//	      │                                         │
//	      ▼                                         ▼
//	   source ──► driver ──► feed ──► gateway ──gRPC──► WatchStock
//
// Everything stands in one process on loopback but the servers of the sources.
// The commit itself is within the time, so that the figure is an upper bound.
package feeds
