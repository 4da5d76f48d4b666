// Package legacyhis serves a simulated HIS in the dialects of real ones, for
// tests of drivers and for developing a mapping without a hospital.
//
// Each dialect is an http.Handler before the books of one simhis.HIS, so that
// the same world, its stock, freezes, orders and faults, is asked through each:
//
//	SOAP      SOAP 1.1 as ASMX speaks it: one method, an XML document inside its
//	          string parameter, GB18030, MD5 over listed fields, a login whose
//	          token runs out in the middle, packs with decimals, lots
//	JSONSign  JSON with a JSON document inside a string, status 200 for
//	          everything, signed sorted fields (SM3, or HMAC over an encrypted
//	          document), ids above 2^53 as numbers, batches of at most 20
//	REST      paths, status codes and pages; no freeze; grams with decimals
//	Pipe      a|b|c in a form field in GBK, answers with unquoted keys, a freeze
//	          before every deduct, stock in small units and orders in boxes
//	Columns   a one that was invented when the driver stood: lines of columns,
//	          signed base64 of XML made of attributes, one drug a query, figures
//	          as people say them, two services that each know half of a number
//	Cookie    the one invented last, when the driver had all of the others behind
//	          it: an ASMX by form, asked in GBK and answering in UTF-8 with JSON in
//	          <string> and XML in GBK as base64 in that, a session in a cookie, 1
//	          good for a query and 0 for a write, freezes and orders known by the
//	          HIS's own numbers alone
//
// They are as strict as their models: a wrong signature gets their code for it,
// a wrong charset a page of garbage, a document number used twice a refusal
// that does not tell the lock number. What simhis does to a call (hang, cut,
// half an answer, an error page, late work, busy) happens to the dialect's own
// bytes. Counters tells what the callers did.
//
// simhis.Serve puts a dialect on a port of its own, which can be shut, so that
// connections are refused.
package legacyhis
