// Package traced is a hisadapter.Driver that marks the calls of another one as
// spans of their traces. Around the guard a span is a call with all its waiting
// and its attempts; around the driver it is one attempt at the HIS.
package traced
