// Package mapfile reads the YAML of mapping files strictly: a key that is not
// known, one that stands twice and one without a value are faults. Reading goes on
// after each, so that whoever writes a mapping is told everything at once, with
// file and line.
package mapfile
