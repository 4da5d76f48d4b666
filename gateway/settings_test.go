package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
)

func TestDefaultSettingsSuitEveryKindOfHIS(t *testing.T) {
	for kind, caps := range kinds {
		if err := gateway.DefaultSettings().Validate(caps); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestSettingsAreHeldAgainstTheHIS(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*gateway.Settings, *hisadapter.Capabilities)
		want string // in the error
	}{
		{"zero", func(s *gateway.Settings, _ *hisadapter.Capabilities) { *s = gateway.Settings{} }, "cache max age"},
		{"grace below twice the timeout", func(s *gateway.Settings, _ *hisadapter.Capabilities) {
			s.Resolver.Grace = 2*s.Calls.Attempt - 1
		}, "twice the HIS timeout"},
		{"a lock as long as the freeze", func(s *gateway.Settings, c *hisadapter.Capabilities) {
			c.FreezeTTL = s.Lock.DefaultTTL + 4*time.Minute
		}, "before the HIS lets its freeze lapse"},
		{"no pauses", func(s *gateway.Settings, _ *hisadapter.Capabilities) { s.Resolver.Backoff = nil }, "resolver backoff"},
		{"an empty pause", func(s *gateway.Settings, _ *hisadapter.Capabilities) { s.Resolver.Backoff[2] = 0 }, "resolver backoff"},
		{"jitter eats the age", func(s *gateway.Settings, _ *hisadapter.Capabilities) { s.Cache.Jitter = s.Cache.MaxAge }, "cache jitter"},
		{"ttl upside down", func(s *gateway.Settings, _ *hisadapter.Capabilities) { s.Lock.MaxTTL = time.Minute }, "lock max ttl"},
		{"no workers", func(s *gateway.Settings, _ *hisadapter.Capabilities) { s.Resolver.Workers = 0 }, "resolver workers"},
		{"needs what there is not", func(_ *gateway.Settings, c *hisadapter.Capabilities) { c.Freeze = false }, "offers none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, caps := gateway.DefaultSettings(), freezingHIS
			tc.edit(&s, &caps)
			if err := s.Validate(caps); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %q", err, tc.want)
			}
		})
	}
}

func TestAllFaultsOfTheSettingsAreToldAtOnce(t *testing.T) {
	s := gateway.DefaultSettings()
	s.Lock.MaxStale, s.MaxWatchers, s.Expiry.Retry = 0, 0, -1
	err := s.Validate(plainHIS)
	for _, name := range []string{"lock max stale", "max watchers", "expiry retry"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q is not named in: %v", name, err)
		}
	}
}

func TestOpenNeedsItsParts(t *testing.T) {
	if _, err := gateway.Open(gateway.Options{Settings: gateway.DefaultSettings()}); err == nil {
		t.Error("opened without a HIS")
	}
}
