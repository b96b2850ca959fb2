package config

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/secret"
)

// resolver turns a checked spec into a Desired: it reads files and secrets.
type resolver struct {
	check   *checker
	sources secret.Sources
	// dir is the folder that relative file names start from.
	dir         string
	now         time.Time
	skipSecrets bool
}

// desired goes on after each problem, so that all are found at once. Values
// that have a problem already are not asked for again.
func (r *resolver) desired(ctx context.Context, cfg v1alpha1.RegistryConfig) Desired {
	d := Desired{Name: cfg.Metadata.Name}
	for i, reg := range cfg.Spec.Registries {
		d.Registries = append(d.Registries, r.registry(ctx, fmt.Sprintf("spec.registries[%d]", i), reg))
	}
	for _, ref := range cfg.Spec.Verify.Images {
		im, err := ParseImage(ref)
		if err == nil && !slices.Contains(d.VerifyImages, im.String()) {
			d.VerifyImages = append(d.VerifyImages, im.String())
		}
	}
	return d
}

func (r *resolver) registry(ctx context.Context, at string, reg v1alpha1.Registry) Registry {
	host, _ := canonicalHost(reg.Host)
	out := Registry{Host: host, Fallback: reg.Fallback}
	var hosts []string
	for i, e := range reg.Endpoints {
		u, f := parseEndpoint(e.URL)
		if f != nil {
			continue
		}
		hosts = append(hosts, u.Host)
		out.Endpoints = append(out.Endpoints, r.endpoint(fmt.Sprintf("%s.endpoints[%d]", at, i), u, e))
	}
	if reg.Auth != nil && !r.check.failed(at+".auth") && !r.check.unread(at+".auth") {
		out.Auth = &Auth{Username: reg.Auth.Username, Delivery: reg.Auth.Delivery}
		if !r.skipSecrets {
			r.password(ctx, at+".auth", reg.Auth.Password, hosts, out.Auth)
		}
	}
	return out
}

func (r *resolver) endpoint(at string, u *url.URL, e v1alpha1.Endpoint) Endpoint {
	out := Endpoint{URL: u.String(), OverridePath: e.OverridePath}
	for _, c := range e.Capabilities {
		out.Capabilities = append(out.Capabilities, string(c))
	}
	// A wrong duration has been told already.
	out.DialTimeout, _ = time.ParseDuration(e.DialTimeout)
	if e.TLS != nil && !r.check.failed(at+".tls") {
		r.tlsFiles(at+".tls", *e.TLS, &out)
	}
	for _, name := range sortedKeys(e.Headers) {
		out.Headers = append(out.Headers, Header{Name: name, Value: secret.New(e.Headers[name])})
	}
	return out
}

// password asks the one source that is named.
func (r *resolver) password(ctx context.Context, at string, s v1alpha1.SecretSource, endpoints []string, a *Auth) {
	source, err := at+".password", error(nil)
	switch {
	case s.Env != "":
		source += ".env"
		a.Password, err = r.sources.Env(s.Env)
	case s.File != "":
		source += ".file"
		a.Password, err = r.sources.File(r.path(s.File))
	case s.DockerConfig != "":
		source += ".dockerConfig"
		err = r.dockerConfig(ctx, at, r.path(s.DockerConfig), endpoints, a)
	case s.AnsibleVault != nil:
		source += ".ansibleVault"
		a.Password, err = r.vault(ctx, *s.AnsibleVault)
	default:
		err = errors.New("has no source that can be read here")
	}
	if err != nil {
		hint := ""
		var known *secret.Error
		if errors.As(err, &known) {
			hint = known.Hint
		}
		r.check.problem(source, err.Error(), hint)
		return
	}
	r.oddPassword(source, a.Password.Reveal())
}

// dockerConfig looks for the servers that get the credential, not for the host
// in image references: a mirror must not be sent the password of the upstream.
func (r *resolver) dockerConfig(ctx context.Context, at, file string, endpoints []string, a *Auth) error {
	user, pass, err := r.sources.DockerConfig(ctx, file, slices.Compact(endpoints)...)
	if err != nil {
		return err
	}
	if f := checkUsername(user); f != nil {
		return &secret.Error{Text: "the user name in docker config " + f.text}
	}
	if a.Username != "" && a.Username != user {
		return &secret.Error{
			Text: fmt.Sprintf("docker config %q has the password of %s, username says %s", file, show(user), show(a.Username)),
			Hint: "leave username out, or docker login as that user",
		}
	}
	if a.Username == "" {
		r.check.robot(at+".password.dockerConfig", user)
	}
	a.Username, a.Password = user, pass
	return nil
}

func (r *resolver) vault(ctx context.Context, v v1alpha1.AnsibleVaultRef) (secret.Value, error) {
	if r.sources.Vault == nil {
		return secret.Value{}, &secret.Error{Text: "ansible-vault cannot be asked here"}
	}
	passwordFile := v.PasswordFile
	if passwordFile != "" {
		passwordFile = r.path(passwordFile)
	}
	text, err := r.sources.Vault(ctx, r.path(v.File), v.Key, passwordFile)
	switch {
	case err != nil:
		return secret.Value{}, err
	case text == "":
		return secret.Value{}, &secret.Error{Text: fmt.Sprintf("variable %q of vault file %q is empty", v.Key, v.File)}
	case strings.ContainsRune(text, 0):
		return secret.Value{}, &secret.Error{Text: fmt.Sprintf("variable %q of vault file %q holds a NUL byte", v.Key, v.File)}
	}
	return secret.New(text), nil
}

// oddPassword warns of what is hardly ever meant. Basic authentication carries
// any byte, so it is no problem.
func (r *resolver) oddPassword(at, plain string) {
	switch {
	case strings.ContainsFunc(plain, unicode.IsControl):
		r.check.warn(at, "the password has a control character in it, such as a line end", "printf %s writes none")
	case strings.TrimSpace(plain) != plain:
		r.check.warn(at, "the password has white space around it", "")
	}
}

// path is where a file named in the spec lies: ~/ is the home directory, and
// relative names start beside the spec.
func (r *resolver) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok && r.sources.LookupEnv != nil {
		if home, ok := r.sources.LookupEnv("HOME"); ok {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}
