// Package access tells who calls, and what he may do.
//
// A caller proves who he is in one of three ways; without a proof that counts he
// is nobody, and nobody may do nothing.
//
//	client certificate ─► its subject's common name, or a DNS name or URI of it,
//	                      is listed with a name and roles
//	bearer token ───────► hg_…: its SHA-256 is listed with a name and roles
//	             └──────► else a JSON Web Token, signed by a key that is ours to
//	                      trust: the name and the roles stand in it
//
// A name is the same principal however it was proven. No header but Authorization
// has a part in it, and that one only alone [E5].
//
// Which role a method needs is not said here but at the edge, beside the methods.
package access
