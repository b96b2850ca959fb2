package config

import (
	"regexp"
	"strings"
)

var notEnv = regexp.MustCompile(`[^A-Z0-9]+`)

// PasswordEnv is the environment variable that an imported specification names
// for a registry's password, such as PULLWAY_PASSWORD_192_168_21_9.
func PasswordEnv(host string) string {
	if host == AnyHost {
		host = "default"
	}
	return "PULLWAY_PASSWORD_" + strings.Trim(notEnv.ReplaceAllString(strings.ToUpper(host), "_"), "_")
}
