package config

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/secret"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Loaded is a spec without problems.
type Loaded struct {
	// Config is the spec as written, with defaults filled in.
	Config v1alpha1.RegistryConfig
	// Desired is what nodes shall have. After WithoutSecrets its passwords are
	// empty; never send such a one to be applied.
	Desired Desired
	Rollout Rollout
	// Warnings are worth telling, in the order of the file.
	Warnings Problems
	// Digest is Desired.Digest().
	Digest string
	// SecretsSkipped tells that WithoutSecrets was given.
	SecretsSkipped bool
}

// Option changes how a spec is loaded.
type Option func(*options)

type options struct {
	stdin       io.Reader
	now         func() time.Time
	skipSecrets bool
}

// WithStdin is where the path "-" reads from.
func WithStdin(r io.Reader) Option { return func(o *options) { o.stdin = r } }

// WithoutSecrets leaves every password empty and asks no source for one, for
// commands that only look. Certificates and keys are still read and checked.
// A user name that only dockerConfig knows stays empty, too.
func WithoutSecrets() Option { return func(o *options) { o.skipSecrets = true } }

// WithClock sets what certificates are checked against; the default is time.Now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Load reads the spec at path, or standard input for "-"; files it names lie
// beside it, or in the working directory for "-". The error is a Problems with
// everything that is wrong at once; warnings come only with a sound spec.
func Load(ctx context.Context, path string, src secret.Sources, opts ...Option) (*Loaded, error) {
	data, err := readSpec(path, src, opts)
	if err != nil {
		return nil, Problems{{File: path, Text: "cannot be read: " + fileFault(err)}}
	}
	return Parse(ctx, data, path, src, opts...)
}

func readSpec(path string, src secret.Sources, opts []Option) ([]byte, error) {
	o := gather(opts)
	if path != Stdin && src.ReadFile != nil {
		return src.ReadFile(path)
	}
	if path != Stdin || o.stdin == nil {
		return nil, errNothingToRead
	}
	return io.ReadAll(io.LimitReader(o.stdin, MaxBytes+1))
}

// Parse is Load for bytes. name is the path they came from; it is used in
// messages and to find the files that the spec names.
func Parse(ctx context.Context, data []byte, name string, src secret.Sources, opts ...Option) (*Loaded, error) {
	o := gather(opts)
	c := &checker{file: name}
	if name == Stdin {
		c.file = "stdin"
	}
	cfg, ok := c.read(data)
	if !ok {
		return nil, c.problems.tidy()
	}
	cfg = Default(cfg)
	c.config(cfg)
	r := resolver{check: c, sources: src, dir: filepath.Dir(name), now: o.now(), skipSecrets: o.skipSecrets}
	desired := r.desired(ctx, cfg)
	if len(c.problems) > 0 {
		return nil, c.problems.tidy()
	}
	for i := range cfg.Spec.Registries {
		cfg.Spec.Registries[i].Host = desired.Registries[i].Host
	}
	return &Loaded{
		Config: cfg, Desired: desired, Rollout: rolloutOf(cfg.Spec.Rollout), Warnings: c.warnings.tidy(),
		Digest: desired.Digest(), SecretsSkipped: o.skipSecrets,
	}, nil
}

// read decodes the document. It returns false when there is no use in looking
// further: no YAML, or a document of another kind.
func (c *checker) read(data []byte) (v1alpha1.RegistryConfig, bool) {
	root, p := document(data)
	if p != nil {
		p.File = c.file
		c.problems = Problems{*p}
		return v1alpha1.RegistryConfig{}, false
	}
	cfg, d := decode(root)
	c.places, c.spoilt = d.places, d.spoilt
	c.typeFields(cfg)
	ours := len(c.problems) < 2 &&
		(cfg.APIVersion == "" || cfg.APIVersion == v1alpha1.APIVersion) && (cfg.Kind == "" || cfg.Kind == v1alpha1.Kind)
	if d.spoilt[""] || ours {
		c.problems, c.broken = d.problems, nil
		for i := range c.problems {
			c.problems[i].File = c.file
			c.markBroken(c.problems[i].Path)
		}
	}
	return cfg, ours && !d.spoilt[""] && d.nodes <= maxNodes
}

func gather(opts []Option) options {
	o := options{now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// rolloutOf converts a rollout that has been checked.
func rolloutOf(r v1alpha1.Rollout) Rollout {
	quota, _ := ParseQuota(string(r.MaxUnavailable))
	confirm, _ := time.ParseDuration(r.ConfirmWithin)
	return Rollout{
		Canary: *r.Canary, MaxUnavailable: quota, FailureBudget: r.FailureBudget,
		OnFailure: r.OnFailure, ConfirmWithin: confirm, Groups: r.Groups, ControlPlane: r.ControlPlane,
	}
}
