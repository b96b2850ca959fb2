package secret

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// DockerConfig reads the credential of the first of hosts that a docker
// config.json knows: in auths (keys may be a host, https://host or
// https://index.docker.io/v1/), or through the credential helper it names.
// Errors name the file, the hosts and the helper; never what an entry holds.
func (s Sources) DockerConfig(ctx context.Context, path string, hosts ...string) (username string, password Value, err error) {
	b, err := s.read(path)
	if err != nil {
		return "", Value{}, err
	}
	var c dockerConfig
	if err := json.Unmarshal(b, &c); err != nil {
		// The decoder's own text may quote the file.
		return "", Value{}, &Error{Text: fmt.Sprintf("docker config %q is not the JSON that docker login writes", path)}
	}
	for _, host := range hosts {
		username, text, found, err := s.dockerEntry(ctx, c, path, host)
		if err != nil {
			return "", Value{}, err
		}
		if !found {
			continue
		}
		where := fmt.Sprintf("the entry of %s in docker config %q", host, path)
		if username == "" || text == "" {
			return "", Value{}, &Error{Text: where + " has no user name and password", Hint: "docker login " + host}
		}
		password, err := check(text, where)
		return username, password, err
	}
	return "", Value{}, &Error{
		Text: fmt.Sprintf("docker config %q has no entry for %s", path, strings.Join(hosts, " or ")),
		Hint: "docker login " + hostForLogin(hosts),
	}
}

type dockerConfig struct {
	Auths       map[string]dockerAuth `json:"auths"`
	CredHelpers map[string]string     `json:"credHelpers"`
	CredsStore  string                `json:"credsStore"`
}

type dockerAuth struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
}

func (s Sources) dockerEntry(ctx context.Context, c dockerConfig, path, host string) (username, password string, found bool, err error) {
	if key, ok := dockerKey(c.CredHelpers, host); ok {
		username, password, err = s.help(ctx, c.CredHelpers[key], serverName(key, host), path)
		return username, password, true, err
	}
	key, ok := dockerKey(c.Auths, host)
	if !ok {
		return "", "", false, nil
	}
	e := c.Auths[key]
	switch {
	case e.Auth != "":
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(e.Auth))
		user, pass, cut := strings.Cut(strings.TrimRight(string(raw), "\x00"), ":")
		if err != nil || !cut {
			return "", "", true, &Error{Text: fmt.Sprintf("the entry of %s in docker config %q is not base64 of user:password", host, path), Hint: "docker login " + host}
		}
		return user, pass, true, nil
	case e.Username != "" || e.Password != "":
		return e.Username, e.Password, true, nil
	case e.IdentityToken != "":
		return "", "", true, &Error{
			Text: fmt.Sprintf("the entry of %s in docker config %q is an identity token, which nodes cannot use", host, path),
			Hint: "use a robot account or an access token with env or file",
		}
	case c.CredsStore != "":
		username, password, err = s.help(ctx, c.CredsStore, serverName(key, host), path)
		return username, password, true, err
	}
	return "", "", true, nil
}

// dockerKey finds the key of host: as written first, then the first in order
// that means the same.
func dockerKey[V any](m map[string]V, host string) (string, bool) {
	if _, ok := m[host]; ok {
		return host, true
	}
	var same []string
	for key := range m {
		if keyHost(key) == keyHost(host) {
			same = append(same, key)
		}
	}
	if len(same) == 0 {
		return "", false
	}
	return slices.Min(same), true
}

// keyHost is the host of a key of auths: without scheme and without the path
// /v1/ or /v2/ that docker login adds. Other paths belong to one repository and
// are kept, so that they match no host.
func keyHost(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, path, _ := strings.Cut(key, "/")
	if p := strings.Trim(path, "/"); p != "" && p != "v1" && p != "v2" {
		return key
	}
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return host
}

// serverName is what docker itself asks a helper for.
func serverName(key, host string) string {
	if keyHost(host) == "docker.io" {
		return "https://index.docker.io/v1/"
	}
	return key
}

var helperName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (s Sources) help(ctx context.Context, helper, server, path string) (username, password string, err error) {
	if !helperName.MatchString(helper) {
		return "", "", &Error{Text: fmt.Sprintf("docker config %q names a credential helper that cannot be a program", path)}
	}
	if s.Helper == nil {
		return "", "", &Error{
			Text: fmt.Sprintf("docker config %q keeps its passwords with docker-credential-%s, which cannot be asked here", path, helper),
			Hint: "use env or file",
		}
	}
	username, password, err = s.Helper(ctx, helper, server)
	if err == nil && username == "<token>" {
		err = &Error{
			Text: fmt.Sprintf("docker-credential-%s holds an identity token for %s, which nodes cannot use", helper, server),
			Hint: "use a robot account or an access token with env or file",
		}
	}
	return username, password, err
}

func hostForLogin(hosts []string) string {
	if len(hosts) == 0 {
		return "HOST"
	}
	return hosts[0]
}
