//go:build !linux

package systems

import "time"

// CPU is 0: this system does not tell the processor time of other processes.
func CPU() time.Duration { return 0 }
