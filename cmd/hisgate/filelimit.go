package main

// filesKept of a process are for everything that is no connection of a caller: the
// ledger, the HIS, WeChat Pay, feeds, the ops port.
const filesKept = 1000

// fitting are the limits with no more connections of each listener than this process
// may have files for: without files left no connection is taken, whoever calls, and
// the ledger and the HIS go without as well. files 0 = not known.
func (l Limits) fitting(files, listeners int) Limits {
	if files == 0 {
		return l
	}
	most := (files - min(filesKept, files/2)) / listeners
	if l.Connections == 0 || l.Connections > most {
		l.Connections = most
	}
	return l
}
