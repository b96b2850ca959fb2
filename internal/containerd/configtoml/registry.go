package configtoml

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/secret"
)

// Registry is what a configuration makes containerd do about registries.
type Registry struct {
	// ConfigPath is the merged value as it is written, ConfigPathAt its place.
	ConfigPath    string
	ConfigPathAt  Pos
	ConfigPathSet bool
	// HostsDirs are the directories that CRI pulls really consult; empty for none.
	HostsDirs []string
	// HostsNote says why HostsDirs is not simply ConfigPath; empty when it is.
	HostsNote string
	// Mirrors, Configs and Auths are the deprecated tables, sorted by host.
	Mirrors []Mirror
	Configs []HostConfig
	Auths   []HostConfig
	// HeaderNames are the global request headers, sorted.
	HeaderNames []string
	// LocalPull tells that pulls do not go through the transfer service, and why.
	LocalPull       bool
	LocalPullReason string
	SandboxImage    string
}

// Mirror is one registry.mirrors entry.
type Mirror struct {
	Host      string
	Endpoints []string
	At        Pos
}

// HostConfig is one registry.configs or registry.auths entry.
type HostConfig struct {
	Host string
	TLS  *TLS
	Auth *Auth
	At   Pos
}

// TLS is a registry.configs.HOST.tls table.
type TLS struct {
	CAFile, CertFile, KeyFile string
	InsecureSkipVerify        bool
}

// Auth is a registry.configs.HOST.auth table.
type Auth struct {
	Username                      string
	Password, Auth, IdentityToken secret.Value
}

// Registry returns the effective registry settings, by the rules of the release.
func (t *Tree) Registry() Registry {
	images := t.images()
	reg := lookup(images, []string{"registry"})
	at := t.places()
	var r Registry
	r.ConfigPath, r.ConfigPathSet = text(reg, "config_path")
	if r.ConfigPathSet {
		r.ConfigPathAt = at.where("config_path")
	}
	for _, host := range sortedKeys(lookup(reg, []string{"mirrors"})) {
		m := Mirror{Host: host, At: at.where("mirrors", host)}
		m.Endpoints = list(lookup(reg, []string{"mirrors", host}), "endpoint")
		r.Mirrors = append(r.Mirrors, m)
	}
	for _, host := range sortedKeys(lookup(reg, []string{"configs"})) {
		r.Configs = append(r.Configs, hostConfig(lookup(reg, []string{"configs", host}), host, at))
	}
	for _, host := range sortedKeys(lookup(reg, []string{"auths"})) {
		r.Auths = append(r.Auths, HostConfig{Host: host, Auth: authOf(lookup(reg, []string{"auths", host})), At: at.where("auths", host)})
	}
	r.HeaderNames = sortedKeys(lookup(reg, []string{"headers"}))
	r.SandboxImage, _ = text(images, "sandbox_image")
	if t.Release.AtLeast(2, 0, 0) {
		r.SandboxImage, _ = text(lookup(images, []string{"pinned_images"}), "sandbox")
	}
	r.LocalPull, r.LocalPullReason = t.localPull(images, &r)
	r.HostsDirs, r.HostsNote = t.hostsDirs(&r)
	return r
}

func hostConfig(m map[string]any, host string, at places) HostConfig {
	c := HostConfig{Host: host, At: at.where("configs", host)}
	// An empty table counts as well (CFG002).
	if tls := lookup(m, []string{"tls"}); tls != nil {
		c.TLS = &TLS{}
		c.TLS.CAFile, _ = text(tls, "ca_file")
		c.TLS.CertFile, _ = text(tls, "cert_file")
		c.TLS.KeyFile, _ = text(tls, "key_file")
		c.TLS.InsecureSkipVerify, _ = tls["insecure_skip_verify"].(bool)
	}
	if auth := lookup(m, []string{"auth"}); auth != nil {
		c.Auth = authOf(auth)
	}
	return c
}

// says reports whether containerd makes this credential of the table: a user name
// comes first, then an identity token, then the base64 text (ParseAuth in
// pkg/cri/server/image_pull.go, 1.7).
func (a *Auth) says(want HostAuth) bool {
	switch {
	case a == nil:
		return false
	case a.Username != "":
		return a.Username == want.Username && a.Password.Equal(want.Password) && a.Auth.IsZero() && a.IdentityToken.IsZero()
	case !a.IdentityToken.IsZero():
		return false
	}
	pair, err := base64.StdEncoding.DecodeString(a.Auth.Reveal())
	return err == nil && string(pair) == want.Username+":"+want.Password.Reveal()
}

func authOf(m map[string]any) *Auth {
	a := &Auth{}
	a.Username, _ = text(m, "username")
	for key, slot := range map[string]*secret.Value{"password": &a.Password, "auth": &a.Auth, "identitytoken": &a.IdentityToken} {
		v, _ := text(m, key)
		*slot = secret.New(v)
	}
	return a
}

// localPull is CheckLocalImagePullConfigs of internal/cri/config (2.1 and later).
func (t *Tree) localPull(images map[string]any, r *Registry) (bool, string) {
	if !t.Release.HasTransferService() {
		return true, fmt.Sprintf("containerd %s always pulls by itself", t.Release)
	}
	switch {
	case images["use_local_image_pull"] == true:
		return true, "use_local_image_pull is set"
	case len(r.Mirrors) > 0:
		return true, "registry.mirrors is set"
	case len(r.Configs) > 0:
		return true, "registry.configs is set"
	case len(r.Auths) > 0:
		return true, "registry.auths is set"
	case images["discard_unpacked_layers"] == true:
		return true, "discard_unpacked_layers is set"
	case images["image_pull_with_sync_fs"] == true:
		return true, "image_pull_with_sync_fs is set"
	case images["disable_snapshot_annotations"] == false:
		return true, "disable_snapshot_annotations is false"
	}
	if n, ok := images["max_concurrent_downloads"].(int64); ok && n != 3 {
		return true, "max_concurrent_downloads is not 3"
	}
	return false, "the transfer service pulls"
}

// defaultPair is the value since 2.2 where nothing is set.
const defaultPair = "/etc/containerd/certs.d:/etc/docker/certs.d"

// configPath is the value that containerd works with, and whether it is its own.
func (t *Tree) configPath(r *Registry) (value string, builtIn bool) {
	switch {
	case r.ConfigPath != "":
		return r.ConfigPath, false
	case t.Release.BakesDefaultConfigPath():
		// It is there before the file is read. An empty value in the file takes it
		// away again, unless the migration of an old table puts it back.
		if r.ConfigPathSet && !t.migrates20() {
			return "", false
		}
		return defaultPair, true
	case t.Release.DefaultConfigPathIsPair() && len(r.Mirrors) == 0:
		return defaultPair, true
	}
	return "", false
}

// hostsDirs are the directories that are really read.
func (t *Tree) hostsDirs(r *Registry) ([]string, string) {
	path, builtIn := t.configPath(r)
	note := ""
	switch {
	case path == "":
		return nil, "config_path is not set, so no host directory is read"
	case builtIn:
		note = "config_path is not set, which means " + defaultPair + " since 2.2"
	}
	if !strings.Contains(path, ":") {
		return []string{path}, ""
	}
	if !r.LocalPull {
		if note != "" {
			note += "; "
		}
		return nil, note + "two directories joined by a colon are taken for one name since 2.1, so no host directory is read"
	}
	var dirs []string
	for d := range strings.SplitSeq(path, ":") {
		if d != "" {
			dirs = append(dirs, d)
		}
	}
	if note == "" {
		note = "several directories, read one after the other only because " + r.LocalPullReason
	}
	return dirs, note
}

func text(m map[string]any, key string) (string, bool) {
	v, ok := m[key].(string)
	return v, ok
}

func list(m map[string]any, key string) []string {
	all, _ := m[key].([]any)
	var out []string
	for _, v := range all {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
