// Package crashtest_test kills a process that runs the ledger on a real disk,
// with SIGKILL, at random moments under load, and compares what it had answered
// with what the folder holds. It has tests only.
//
//	parent                              child: this test binary, run again
//	start ────────────────────────────► open the folder; 64 callers, a clock
//	read answers ◄───────────────────── one line for each answer
//	kill -9 at a random moment ───────► dead, calls under way
//	read the rest of the answers
//	open the folder, compare, close
//	again, on the same folder
//
// A SIGKILL leaves the kernel's memory alone: what was written and not yet synced
// survives it. Losing that too is simulated, see TestLinearizable.
package crashtest_test
