package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// commit is what a release is made of.
type commit struct {
	revision string    // of git, whole
	version  string    // as people call it: a tag, or what comes after one
	at       time.Time // when it was made; the time of all files
}

// checkOut lays the newest commit of the repository at root, with its tags and
// nothing else, into the empty folder dir. The build is made there, because Go
// notes the revision of a clean repository alone, and of a git worktree none at
// all.
func checkOut(root, dir string) (commit, error) {
	var c commit
	var err error
	if c.revision, err = git(root, "rev-parse", "HEAD"); err != nil {
		return c, err
	}
	// Not "clone --branch": HEAD may be no branch at all.
	if _, err = git(root, "clone", "--quiet", "--no-checkout", "--", ".", dir); err != nil {
		return c, err
	}
	if _, err = git(dir, "checkout", "--quiet", "--detach", c.revision); err != nil {
		return c, err
	}
	if c.version, err = git(dir, "describe", "--tags", "--always"); err != nil {
		return c, err
	}
	committed, err := git(dir, "log", "-1", "--format=%ct")
	if err != nil {
		return c, err
	}
	seconds, err := strconv.ParseInt(committed, 10, 64)
	if err != nil {
		return c, err
	}
	c.at = time.Unix(seconds, 0)
	return c, nil
}

func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(words.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
