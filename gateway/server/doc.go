// Package server is the edge: the gRPC services, REST, the WeChat callbacks, and
// the addresses for health and metrics. It turns requests into calls of the cores
// (gateway, payflow) and their answers and errors into the API's; it decides
// nothing about stock or money.
//
//	gRPC ────────────────┐
//	                     ▼
//	REST ──► mux ──► request id and log ──► recover ──► identity ──► limits
//	         (in process)                                              │
//	        handler ◄── field rules ◄── error table ◄── deadline ◄─────┘
//
//	WeChat ──► webhook ──► payflow's inbox ──► 200
//
// Over gRPC everything up to the limits is done when the header of a call has come,
// before its message is waited for.
//
// REST calls pass through an in-process channel with the very same interceptors
// as a dialled connection, so that both behave alike. errors.go is the one place
// that knows gRPC codes.
package server
