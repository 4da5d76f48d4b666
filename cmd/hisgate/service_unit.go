package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hisgate/hisgate/deploy/systemd"
)

// stopMargin is how much longer than shutdown_timeout systemd waits before it
// kills.
const stopMargin = 30 * time.Second

// unitFor is the unit of deploy/systemd for a site whose paths differ. Errors: a
// path that the hardening hides from the program, or that no unit can hold.
func unitFor(w wishes) (string, error) {
	config, err := unitWord(w.config)
	if err != nil {
		return "", err
	}
	binary, err := unitWord(w.binary)
	if err != nil {
		return "", err
	}
	set := map[string]string{
		"ExecStart": binary + " serve -c " + config,
		"User":      w.user, "Group": w.user,
		"TimeoutStopSec": strconv.Itoa(int((w.c.ShutdownTimeout + stopMargin).Seconds())),
	}
	var writes []string // beyond what systemd makes itself
	own := func(setting, above, dir string) {
		if rel, err := filepath.Rel(above, dir); err == nil && filepath.IsLocal(rel) && rel != "." {
			set[setting] = rel
			return
		}
		set[setting], set[setting+"Mode"] = "", ""
		writes = append(writes, dir)
	}
	own("StateDirectory", "/var/lib", w.c.DataDir)
	set["WorkingDirectory"] = w.c.DataDir
	logs := logFolders(w.c)
	for i, dir := range logs {
		if i == 0 {
			own("LogsDirectory", "/var/log", dir)
		} else {
			writes = append(writes, dir)
		}
	}
	for _, path := range slices.Concat([]string{w.binary, w.config, w.c.DataDir}, logs) {
		if above := hiddenBelow(path); above != "" {
			return "", nobody("%s: the service cannot see what lies below %s; choose another place, as /usr/local/bin, /etc, /var/lib", path, above)
		}
	}
	return rewriteUnit(systemd.Unit(), set, writes)
}

// logFolders are the folders of the files that lines are added to, each once.
func logFolders(c Config) (dirs []string) {
	for _, file := range []string{c.Log.Audit, c.Log.File, c.DeadLetters.File} {
		if dir := filepath.Dir(file); file != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// hidden are the folders that ProtectHome and PrivateTmp hide.
func hidden() []string { return []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"} }

// hiddenBelow is the folder of which a path is hidden; "" = none.
func hiddenBelow(path string) string {
	for _, above := range hidden() {
		if rel, err := filepath.Rel(above, path); err == nil && filepath.IsLocal(rel) {
			return above
		}
	}
	return ""
}

// rewriteUnit gives settings other values, takes out those that have none, and
// adds folders that may be written.
func rewriteUnit(unit string, set map[string]string, writes []string) (string, error) {
	var out strings.Builder
	for line := range strings.Lines(unit) {
		name, _, _ := strings.Cut(line, "=")
		value, ours := set[name]
		switch {
		case !ours:
			out.WriteString(line)
		case value != "":
			fmt.Fprintf(&out, "%s=%s\n", name, value)
		}
		if name == "WorkingDirectory" {
			for _, dir := range writes {
				word, err := unitWord(dir)
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&out, "ReadWritePaths=%s\n", word)
			}
		}
	}
	return out.String(), nil
}

// unitWord is one word of a unit: quoted where it must be. Errors: it cannot be
// written into one.
func unitWord(s string) (string, error) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", nobody("%q: a unit cannot hold this path", s)
	}
	s = strings.NewReplacer("%", "%%", "$", "$$").Replace(s)
	if strings.ContainsAny(s, " '\"\\;") {
		s = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return s, nil
}
