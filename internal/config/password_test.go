package config

import (
	"regexp"
	"testing"
)

// FuzzPasswordEnv: the environment variable that an import names is a name for shells.
func FuzzPasswordEnv(f *testing.F) {
	for _, s := range []string{"192.168.21.9", "harbor.example.com:8443", "*", "[::1]:5000", "$(reboot)", "x\ny", "İ"} {
		f.Add(s)
	}
	form := regexp.MustCompile(`^PULLWAY_PASSWORD_[A-Z0-9_]*$`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := PasswordEnv(s); !form.MatchString(got) {
			t.Fatalf("PasswordEnv(%q) = %q", s, got)
		}
	})
}
