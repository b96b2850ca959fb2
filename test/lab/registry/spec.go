// Package registry is a real registry (the distribution project's) with a front
// door before it that keeps an access log, terminates TLS and hands out tokens.
// One process is one registry: it lives in a folder, which also is how it is
// steered: the users file and the access log can be written and read while it runs.
package registry

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Auth is how a registry wants to be told who asks.
type Auth string

// The ways.
const (
	// AuthNone serves everybody.
	AuthNone Auth = "none"
	// AuthBasic answers 401 with a Basic challenge and reads an htpasswd file.
	AuthBasic Auth = "htpasswd"
	// AuthToken answers 401 with a Bearer challenge, as Docker Hub does: a password is
	// good for its token service only, and not for a manifest.
	AuthToken Auth = "token"
)

// Spec is one registry.
type Spec struct {
	// Name of the registry in the lab, and of its folder.
	Name string `json:"name"`
	// Addr is the address and port it listens at.
	Addr string `json:"addr"`
	// Host is a DNS name that nodes resolve to the address of Addr; may be empty.
	Host string `json:"host,omitempty"`
	// TLS serves https with a certificate of the lab's own authority for the
	// address and Host; otherwise it is plain http.
	TLS bool `json:"tls,omitempty"`
	// Auth is how it asks for a name and password.
	Auth Auth `json:"auth"`
	// Users are names and passwords at the start; all may read and write everything.
	Users map[string]string `json:"users,omitempty"`
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Check reports the first problem of a Spec.
func (s Spec) Check() error {
	if !nameForm.MatchString(s.Name) {
		return fmt.Errorf("registry name %q: must be a lower-case letter, then up to 31 letters, digits and hyphens", s.Name)
	}
	if _, err := netip.ParseAddrPort(s.Addr); err != nil {
		return fmt.Errorf("registry %s: address %q is not ADDRESS:PORT", s.Name, s.Addr)
	}
	switch s.Auth {
	case AuthNone, AuthBasic, AuthToken:
	default:
		return fmt.Errorf("registry %s: unknown auth %q", s.Name, s.Auth)
	}
	for user := range s.Users {
		if user == "" || strings.ContainsAny(user, ":\n") {
			return fmt.Errorf("registry %s: user name %q", s.Name, user)
		}
	}
	return nil
}

// Reference is the registry as it stands in image references: the address, or
// Host, without the port when that is the scheme's own (80 for http as well:
// a reference without port is what nodes write, and their endpoint says http).
func (s Spec) Reference() string {
	ap := netip.MustParseAddrPort(s.Addr)
	host := ap.Addr().String()
	if s.Host != "" {
		host = s.Host
	}
	if ap.Port() == s.defaultPort() {
		return host
	}
	return fmt.Sprintf("%s:%d", host, ap.Port())
}

// URL is the registry's endpoint.
func (s Spec) URL() string { return s.scheme() + "://" + s.Reference() }

func (s Spec) scheme() string {
	if s.TLS {
		return "https"
	}
	return "http"
}

func (s Spec) defaultPort() uint16 {
	if s.TLS {
		return 443
	}
	return 80
}

// Folder is where a registry lives.
type Folder string

// The files in it.
func (f Folder) spec() string         { return filepath.Join(string(f), "spec.json") }
func (f Folder) usersFile() string    { return filepath.Join(string(f), "users.json") }
func (f Folder) htpasswdFile() string { return filepath.Join(string(f), "htpasswd") }
func (f Folder) backendFile() string  { return filepath.Join(string(f), "distribution.yml") }
func (f Folder) jwksFile() string     { return filepath.Join(string(f), "jwks.json") }
func (f Folder) dataDir() string      { return filepath.Join(string(f), "data") }

// CertFile and KeyFile are what a TLS registry serves with; whoever makes the
// folder puts them there.
func (f Folder) CertFile() string { return filepath.Join(string(f), "tls.crt") }

// KeyFile belongs to CertFile.
func (f Folder) KeyFile() string { return filepath.Join(string(f), "tls.key") }

// LogFile is the access log: one Entry as JSON on each line.
func (f Folder) LogFile() string { return filepath.Join(string(f), "access.log") }

// Create makes the folder (0700) with the Spec and its users.
func (f Folder) Create(s Spec) error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.dataDir(), 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := replace(f.spec(), b); err != nil {
		return err
	}
	return f.writeUsers(s.Users)
}

// Spec reads back what Create was given.
func (f Folder) Spec() (Spec, error) {
	var s Spec
	b, err := os.ReadFile(f.spec())
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

// replace writes a file of mode 0600 by rename, so that a reader sees the old or
// the new one.
func replace(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
