// Package traced is a payflow.PayChannel that marks the calls to WeChat Pay as
// spans of their traces. Nothing of a trace is sent to WeChat Pay.
package traced
