package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// noProxy is the wechat.proxy_url that goes by none.
const noProxy = "direct"

// proxy is the way out to WeChat Pay: that of the settings, or else of the
// environment. Errors name the setting, and never who we are to the proxy.
func (w WeChat) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch w.ProxyURL {
	case "":
		return http.ProxyFromEnvironment, nil
	case noProxy:
		return http.ProxyURL(nil), nil
	}
	u, err := url.Parse(w.ProxyURL)
	if err != nil {
		return nil, errors.New("wechat.proxy_url: is no address")
	}
	if w.ProxyAuthFile != "" {
		b, err := os.ReadFile(w.ProxyAuthFile)
		if err != nil {
			return nil, fmt.Errorf("wechat.proxy_auth_file: %w", err)
		}
		name, password, ok := strings.Cut(strings.TrimRight(string(b), "\r\n"), ":")
		if !ok || name == "" {
			return nil, errors.New("wechat.proxy_auth_file: does not hold name:password")
		}
		u.User = url.UserPassword(name, password)
	}
	return http.ProxyURL(u), nil
}

// validateProxy refuses an address that holds a password, for addresses are shown.
func (w WeChat) validateProxy(k *checker) {
	if w.ProxyAuthFile != "" {
		k.want(w.ProxyURL != "" && w.ProxyURL != noProxy, "wechat.proxy_auth_file", "needs wechat.proxy_url")
		k.readable(w.ProxyAuthFile, "wechat.proxy_auth_file")
	}
	if w.ProxyURL == "" || w.ProxyURL == noProxy {
		return
	}
	u, err := url.Parse(w.ProxyURL)
	if err == nil && u.User != nil {
		k.want(false, "wechat.proxy_url", "name and password do not stand in an address; use wechat.proxy_auth_file")
		return
	}
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "socks5") && u.Hostname() != "" && (u.Path == "" || u.Path == "/") && u.RawQuery == ""
	k.want(ok, "wechat.proxy_url", "is not http://, https:// or socks5:// with a host, nor %s", noProxy)
}
