package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// fileSetting is a setting that names a file or a folder.
type fileSetting struct {
	setting string // such as alerts.webhooks[0].url_file
	name    string // its last part
	path    string // not empty
}

// filesOf are the settings that name a file or a folder, also those in lists.
func filesOf(v reflect.Value, prefix string) (files []fileSetting) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			files = append(files, filesOf(v.Index(i), fmt.Sprintf("%s[%d]", prefix, i))...)
		}
	case reflect.Struct:
		for f, value := range v.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			isFile := name == "file" || strings.HasSuffix(name, "_file") || strings.HasSuffix(name, "_dir")
			if value.Kind() != reflect.String {
				files = append(files, filesOf(value, join(prefix, name))...)
			} else if isFile && value.String() != "" {
				files = append(files, fileSetting{join(prefix, name), name, value.String()})
			}
		}
	}
	return files
}

// publicFiles are the settings that name a file without a secret in it. Every other
// one is taken for a secret, so that a new setting is masked until somebody says
// that it need not be.
var publicFiles = []string{
	"file", "data_dir", "cert_file", "ca_file", "client_ca_file", "callers_file", "keys_file", "public_key_file", "mapping_file", "audit_file", "position_file",
}

// secretFiles are the files that hold secrets.
func (c *Config) secretFiles() (files []string) {
	for _, f := range filesOf(reflect.ValueOf(*c), "") {
		if !slices.Contains(publicFiles, f.name) {
			files = append(files, f.path)
		}
	}
	return files
}

// relativePaths are the settings that name a file or folder from the working
// directory on.
func (c *Config) relativePaths() (settings []string) {
	for _, f := range filesOf(reflect.ValueOf(*c), "") {
		if !filepath.IsAbs(f.path) {
			settings = append(settings, f.setting)
		}
	}
	return settings
}
