// Package link is what the drivers of a feed have in common on their way to a
// server: TLS, and secrets that stand in files of their own. Files are read at
// every connection, so that a certificate or a password may be replaced while
// hisgate runs.
package link
