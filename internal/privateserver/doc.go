// Package privateserver starts servers for tests and measurements: each private
// to its caller, on a free port of loopback, in a folder of its own, and gone when
// the caller ends, however it ends. The programs are those that the machine has
// installed; a *MissingError names what is not.
package privateserver
