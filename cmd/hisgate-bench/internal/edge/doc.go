// Package edge measures hisgate as its callers meet it: a real process, over gRPC and
// REST on loopback, against servers that do less.
//
//	this process ──gRPC, HTTP──► hisgate serve ──► a HIS that counts (this process)
//	   callers   ──gRPC, HTTP──► peer: an empty call, a stock that is made up, a plain
//	                             JSON handler, the lock service over PostgreSQL
//
// All systems are asked by the same clients: one gRPC connection each, or as many
// HTTP connections as callers.
package edge
