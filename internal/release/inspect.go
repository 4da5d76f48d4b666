package main

import (
	"debug/buildinfo"
	"debug/elf"
	"debug/pe"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// releaseTags are the build tags of a release.
const releaseTags = "oracle"

// inspect proves, without running it, that a binary is the one that a release
// promises: for its target, static, of this commit and no other, with all that
// its tags bring. Errors: everything that is not so.
func inspect(path string, t target, revision string) error {
	var errs []error
	if t.os == "windows" {
		errs = append(errs, inspectPE(path))
	} else {
		errs = append(errs, inspectELF(path, t.arch))
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, inspectInfo(info, t, revision))...)
}

// inspectInfo holds what Go noted in a binary against what was to be built.
func inspectInfo(info *debug.BuildInfo, t target, revision string) error {
	noted := map[string]string{}
	for _, s := range info.Settings {
		noted[s.Key] = s.Value
	}
	var errs []error
	for _, want := range []debug.BuildSetting{
		{Key: "vcs.revision", Value: revision},
		{Key: "vcs.modified", Value: "false"},
		{Key: "CGO_ENABLED", Value: "0"},
		{Key: "-tags", Value: releaseTags},
		{Key: "-trimpath", Value: "true"},
		{Key: "GOOS", Value: t.os},
		{Key: "GOARCH", Value: t.arch},
	} {
		if got := noted[want.Key]; got != want.Value {
			errs = append(errs, fmt.Errorf("the binary notes %s=%q, want %q", want.Key, got, want.Value))
		}
	}
	return errors.Join(errs...)
}

// inspectELF reads a program for Linux: for the machine, and without an
// interpreter or a library that a host might not have.
func inspectELF(path, arch string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want {
		return fmt.Errorf("the binary is for %s, want %s", f.Machine, want)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("the binary is not static: it has %s", p.Type)
		}
	}
	return nil
}

// inspectPE reads a program for Windows: for x64, with a console, and with
// libraries of Windows alone.
func inspectPE(path string) error {
	f, err := pe.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 {
		return fmt.Errorf("the binary is for machine %#x, want amd64", f.Machine)
	}
	head, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || head.Subsystem != pe.IMAGE_SUBSYSTEM_WINDOWS_CUI {
		return errors.New("the binary is no console program of 64 bits")
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, l := range libraries {
		if !strings.EqualFold(l, "kernel32.dll") {
			return fmt.Errorf("the binary wants %s", l)
		}
	}
	return nil
}
