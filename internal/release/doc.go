// Command release makes what is handed to a hospital: for each system one archive
// that holds all that an installation needs, without a network.
//
//	go run ./internal/release -out dist -protos .protodeps
//
// It is called by make dist, and releases the newest commit: it builds in a clone
// of its own, so that what is not committed is not in it. Binaries are static
// (CGO_ENABLED=0), without paths of this machine (-trimpath), and know the commit
// that they are built of; each is inspected for that, and tried where this machine
// can run it (linux/arm64 by way of qemu-user-static). The same commit and the same Go give the same bytes: files are sorted,
// their times are the commit's, their owners nobody's. SHA256SUMS proves it.
package main
