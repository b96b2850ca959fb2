package config

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/secret"
)

func (c *checker) auth(at string, a v1alpha1.Auth) {
	c.username(at+".username", a)
	c.source(at+".password", a.Password)
	if a.Delivery != "" {
		c.fault(at+".delivery", oneOf(a.Delivery, v1alpha1.DeliveryAuto, v1alpha1.DeliveryHeader, v1alpha1.DeliveryCRI))
	}
}

func (c *checker) username(at string, a v1alpha1.Auth) {
	if a.Username == "" {
		if a.Password.DockerConfig == "" {
			c.missing(at, "only dockerConfig brings a user name with it")
		}
		return
	}
	if f := checkUsername(a.Username); f != nil {
		c.fault(at, f)
		return
	}
	c.robot(at, a.Username)
}

// checkUsername checks a user name for Basic authentication (RFC 7617): what
// stands before the first colon.
func checkUsername(name string) *fault {
	switch {
	case strings.Contains(name, ":"):
		return faultf("has a colon, which ends a user name in Basic authentication").hinted("the password belongs into password")
	case strings.ContainsFunc(name, unicode.IsControl):
		return faultf("has a control character")
	case strings.TrimSpace(name) != name:
		return faultf("%s has white space around it", show(name))
	case len(name) > 255:
		return faultf("is longer than 255 bytes")
	}
	return nil
}

func (c *checker) robot(at, name string) {
	if c.people[name] || !looksLikePerson(name) {
		return
	}
	if c.people == nil {
		c.people = map[string]bool{}
	}
	c.people[name] = true // one warning for each name, not for each registry
	c.warn(at, fmt.Sprintf("%s looks like a user, not like a robot account", show(name)),
		"on Harbor one node with an old password locks a user out for all nodes, and each check of a user's password costs the server 15 times as much CPU; robot accounts have neither")
}

// looksLikePerson is a guess. Harbor's prefix of robots is a setting, so this
// looks for what accounts of machines usually have: $ and + of Harbor, the
// fixed names of cloud registries, and words.
func looksLikePerson(name string) bool {
	name = strings.ToLower(name)
	if strings.ContainsAny(name, "$+") || strings.HasPrefix(name, "_") || name == "aws" || strings.HasPrefix(name, "00000000-") {
		return false
	}
	for _, word := range []string{"robot", "token", "deploy", "service", "svc", "pull", "bot", "node", "ci-"} {
		if strings.Contains(name, word) {
			return false
		}
	}
	return true
}

func (c *checker) source(at string, s v1alpha1.SecretSource) {
	var given []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"env", s.Env != ""}, {"file", s.File != ""}, {"dockerConfig", s.DockerConfig != ""},
		{"ansibleVault", s.AnsibleVault != nil}, {"secretRef", s.SecretRef != nil},
	} {
		if f.set {
			given = append(given, f.name)
		}
	}
	switch {
	case len(given) == 0 && c.failed(at):
		// Somebody has said already what is wrong there.
	case len(given) == 0:
		c.missing(at, "say where it is read from: {env: HARBOR_PASSWORD}, file, dockerConfig or ansibleVault")
	case len(given) > 1:
		c.problem(at, "has "+strings.Join(given, " and "), "say one place it is read from")
	}
	if s.Env != "" && !secret.ValidEnvName(s.Env) {
		// Not repeated: it may be the password.
		hint := "letters, digits and _ make a name; the password itself does not belong here"
		if strings.HasPrefix(s.Env, "$") {
			hint = "write the name without $"
		}
		c.problem(at+".env", "is not the name of an environment variable", hint)
	}
	c.fault(at+".file", checkFileName(s.File))
	c.fault(at+".dockerConfig", checkFileName(s.DockerConfig))
	if v := s.AnsibleVault; v != nil {
		if v.File == "" {
			c.missing(at+".ansibleVault.file", "")
		}
		if v.Key == "" {
			c.missing(at+".ansibleVault.key", "name the variable")
		}
		c.fault(at+".ansibleVault.file", checkFileName(v.File))
		c.fault(at+".ansibleVault.passwordFile", checkFileName(v.PasswordFile))
	}
	if s.SecretRef != nil {
		c.problem(at+".secretRef", "is for life inside a cluster", "use env, file, dockerConfig or ansibleVault")
	}
}

// checkFileName refuses what no file has as its name.
func checkFileName(name string) *fault {
	switch {
	case strings.ContainsFunc(name, unicode.IsControl):
		return faultf("has a control character in the name of a file").hinted("name the file; do not paste what is in it")
	case len(name) > 4096:
		return faultf("is longer than the name of a file can be")
	}
	return nil
}
