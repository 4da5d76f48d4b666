package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, yaml string, environ, sets []string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(file, environ, sets)
}

// stockHalf is the shortest configuration that is valid.
const stockHalf = "payment: {enabled: false}\nhis: {simhis: {url: 'http://127.0.0.1:9480'}}\n"

func TestFileThenEnvironmentThenFlags(t *testing.T) {
	c, err := load(t, stockHalf+"cache: {max_age: 5s, jitter: 100ms}\nlog: {level: warn}\n",
		[]string{"HISGATE_CACHE_MAX_AGE=6s", "HISGATE_LOG_LEVEL=debug", "PATH=/bin"},
		[]string{"log.level=error", "safety.drugs=[{pharmacy_id: '01', drug_id: '007', units: 3}]"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Cache.MaxAge != 6*time.Second || c.Cache.Jitter != 100*time.Millisecond || c.Log.Level != "error" {
		t.Errorf("layers: max_age %s, jitter %s, level %s", c.Cache.MaxAge, c.Cache.Jitter, c.Log.Level)
	}
	want := []SafetyDrug{{PharmacyID: "01", DrugID: "007", Units: 3}}
	if !reflect.DeepEqual(c.Safety.Drugs, want) {
		t.Errorf("safety.drugs = %+v", c.Safety.Drugs)
	}
}

func TestBadSettingsAreNamedWithTheirLine(t *testing.T) {
	for _, tc := range []struct {
		name, yaml    string
		environ, sets []string
		want          []string
	}{
		{"unknown key", stockHalf + "cahce: {}\n", nil, nil, []string{"c.yaml:3", "cahce"}},
		{"unknown nested key", stockHalf + "cache:\n  max_agee: 1s\n", nil, nil, []string{"c.yaml:4", "max_agee"}},
		{"wrong type", stockHalf + "cache:\n  max_keys: many\n", nil, nil, []string{"c.yaml:4", "many"}},
		{"out of range", stockHalf + "cache:\n  max_age: 11s\n", nil, nil, []string{"c.yaml:4: cache.max_age", "11s"}},
		{"unquoted id", stockHalf + "safety:\n  drugs:\n    - {pharmacy_id: 'a', drug_id: 00010041}\n", nil, nil, []string{"c.yaml:5", "quoted", "00010041"}},
		{"no calls at all", stockHalf + "limits: {client_burst: 0}\n", nil, nil, []string{"c.yaml:3: limits.client_burst"}},
		{"a refresh at once", stockHalf + "cache: {refresh_after: 1s}\n", nil, nil, []string{"c.yaml:3: cache.refresh_after"}},
		{"no share left for Confirm", stockHalf, nil, []string{"his.guard.shares.freeze=0.8"}, []string{"his.guard.shares", "1.1"}},
		{"a policy unheard of", stockHalf + "check: {degraded: hope}\n", nil, nil, []string{"c.yaml:3: check.degraded", "hope"}},
		{"a rate below nothing", stockHalf + "limits: {rate: -1}\n", nil, nil, []string{"c.yaml:3: limits.rate", "-1"}},
		{"two at once", stockHalf + "log: {level: loud, format: xml}\n", nil, nil, []string{"log.level", "log.format"}},
		{"unknown variable", stockHalf, []string{"HISGATE_CACHE_MAXAGE=1s"}, nil, []string{"HISGATE_CACHE_MAXAGE", "no such setting"}},
		{"bad variable", stockHalf, []string{"HISGATE_CACHE_MAX_AGE=soon"}, nil, []string{"HISGATE_CACHE_MAX_AGE", "soon"}},
		{"unknown flag", stockHalf, nil, []string{"cache.maxage=1s"}, []string{"--set cache.maxage"}},
		{"flag without value", stockHalf, nil, []string{"cache.max_age"}, []string{"setting=value"}},
		{"open to the network", stockHalf + "listen: {http: '0.0.0.0:8080'}\n", nil, nil, []string{"listen.http", "loopback"}},
		{"payment without merchant", "his: {simhis: {url: 'http://127.0.0.1:1'}}\n", nil, nil, []string{"wechat.mch_id", "wechat.merchant_key_file"}},
		{
			"missing secret file", "his: {simhis: {url: 'http://127.0.0.1:1'}}\nwechat:\n  merchant_key_file: /nowhere/key.pem\n", nil, nil,
			[]string{"c.yaml:3: wechat.merchant_key_file", "/nowhere/key.pem"},
		},
		{"wrong type, named", stockHalf + "cache:\n  max_age: 7\n", nil, nil, []string{"c.yaml:4: cache.max_age", "duration"}},
		{"a value for a group", stockHalf + "listen: 5\n", nil, nil, []string{"c.yaml:3: listen", "group of settings"}},
		{"no value", stockHalf + "cache:\n  max_age:\n", nil, nil, []string{"c.yaml:4: cache.max_age: has no value"}},
		{"empty variable", stockHalf, []string{"HISGATE_PAYMENT_ENABLED="}, nil, []string{"HISGATE_PAYMENT_ENABLED", "has no value"}},
		{"empty flag", stockHalf, nil, []string{"cache.max_age="}, []string{"--set cache.max_age", "has no value"}},
		{"empty list", stockHalf, nil, []string{"wechat.app_ids="}, []string{"--set wechat.app_ids", "has no value"}},
		{"a hold beyond the freeze", stockHalf, nil, []string{"his.capabilities.freeze=true", "his.capabilities.freeze_ttl=10m"}, []string{"lock.default_ttl", "his.capabilities.freeze_ttl: 10m"}},
		{"not yaml", "a: [", nil, nil, []string{"c.yaml"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, tc.yaml, tc.environ, tc.sets)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		})
	}
}

// What config check takes, serve must take: the rooms behind the settings have
// bounds of their own, and name no line of the file.
func TestWhatIsTakenHereEveryRoomTakes(t *testing.T) {
	for _, sets := range [][]string{
		{"cache.jitter=0s"},
		{"cache.unknown_drug=0s"},
		{"cache.max_wait=0s"},
		{"cache.max_age=100ms", "cache.jitter=50ms", "cache.unknown_drug=1ms"},
		{"lock.max_stale=0s"},
		{"his.guard.shares.freeze=0.2", "his.guard.shares.query=0.3", "his.guard.shares.expiry_release=0.3", "his.guard.shares.refresh=0"},
		{"his.guard.concurrency=2", "his.guard.burst=1"},
		{"his.guard.concurrency=10001"},
		{"his.guard.rate=1000001"},
		{"his.guard.busy_after_timeout=0s", "his.guard.misconfigured_pause=0s"},
		{"his.guard.write_timeout=2m", "his.guard.query_timeout=1m"},
		{"his.guard.retry_budget=0", "his.guard.breaker_window=1s", "his.guard.breaker_ratio=1"},
		{"his.capabilities.freeze=true", "his.capabilities.find=true", "his.capabilities.freeze_ttl=20m", "lock.default_ttl=15m"},
	} {
		t.Run(strings.Join(sets, " "), func(t *testing.T) {
			c, err := load(t, stockHalf, nil, sets)
			if err != nil {
				if !strings.Contains(err.Error(), sets[0][:strings.Index(sets[0], "=")]) {
					t.Errorf("refused without its name: %v", err)
				}
				return
			}
			s := c.settings()
			if err := errors.Join(s.gateway.Validate(s.caps), s.guard.Validate()); err != nil {
				t.Errorf("taken, and then: %v", err)
			}
		})
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	for file, want := range map[string]string{"docs/configuration.md": configDoc(), "hisgate.example.yaml": configExample()} {
		got, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is stale: run make generate", file)
		}
	}
	for _, s := range settingsOf(reflect.TypeFor[Config](), "") {
		if s.Doc == "" {
			t.Errorf("setting %s has no doc tag", s.Path)
		}
	}
}

// The example must load as it stands, but for the key files, which are the
// site's own.
func TestExampleLoads(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("k"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load("../../hisgate.example.yaml", nil, []string{
		"wechat.merchant_key_file=" + key, "wechat.api_v3_key_file=" + key, "wechat.public_key_file=" + key,
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil, nil); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("error %v does not name the file", err)
	}
}
