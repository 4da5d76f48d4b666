// Package systemd holds the unit that runs hisgate under systemd, for hisgate
// service install: the file that people read here is the one that is installed.
package systemd

import _ "embed"

//go:embed hisgate.service
var unit string

// Unit is the unit as it stands in this folder: the program in /usr/local/bin, its
// configuration in /etc/hisgate, its data in /var/lib/hisgate.
func Unit() string { return unit }
