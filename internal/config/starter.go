package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/secret"
)

// StarterOptions says what the first spec of a user holds.
type StarterOptions struct {
	// Registry is the URL of the registry: http://192.168.21.9. Without a scheme
	// it is https. It may be empty when there are mirrors.
	Registry string
	// Username of the registry; empty for anonymous pulls.
	Username string
	// PasswordEnv is the variable of the password. Default: HARBOR_PASSWORD.
	PasswordEnv string
	// CAFile is trusted for every https endpoint that is the registry's.
	CAFile string
	// Images prove that pulls work.
	Images []string
	// Mirrors of other registries, in this order.
	Mirrors []StarterMirror
}

// StarterMirror is a server that images of another registry are asked of.
type StarterMirror struct {
	// Host that is mirrored: docker.io.
	Host string
	// URL of the mirror: https://harbor.example.com/v2/hubcache.
	URL string
}

//go:embed starter.yaml.tmpl
var starterText string

// Starter renders a commented spec to begin with. What it returns loads without
// problems, given the files and the variable that it names; otherwise the error
// is a Problems about the options.
func Starter(o StarterOptions) ([]byte, error) {
	view, problems := starterView(o)
	if len(problems) > 0 {
		return nil, problems
	}
	tmpl, err := template.New("starter").Funcs(template.FuncMap{"yaml": yamlText}).Parse(starterText)
	if err != nil {
		return nil, fmt.Errorf("read the template of the first spec: %w", err)
	}
	var b bytes.Buffer
	if err := tmpl.Execute(&b, view); err != nil {
		return nil, fmt.Errorf("render the first spec: %w", err)
	}
	// What the options did not show, such as an image of no registry.
	var c checker
	if cfg, ok := c.read(b.Bytes()); ok {
		c.config(Default(cfg))
	}
	for i := range c.problems {
		c.problems[i].Line, c.problems[i].Column = 0, 0 // of a file that nobody has
	}
	return b.Bytes(), c.problems.AsError()
}

type starterData struct {
	Registries []starterRegistry
	Images     []string
	Example    string
}

type starterRegistry struct {
	Host, URL, Username, PasswordEnv, CAFile string
	Plain, Override, Mirror                  bool
}

func starterView(o StarterOptions) (v starterData, problems Problems) {
	fail := func(option string, f *fault) bool {
		if f != nil {
			problems = append(problems, Problem{Text: option + " " + f.text, Hint: f.hint})
		}
		return f != nil
	}
	if o.Registry == "" && len(o.Mirrors) == 0 {
		fail("the registry", faultf("is missing").hinted("pullway init --registry http://192.168.21.9"))
	}
	if o.PasswordEnv != "" && o.Username == "" {
		fail("the user name", faultf("is missing").hinted("a password needs one"))
	}
	if o.PasswordEnv == "" {
		o.PasswordEnv = "HARBOR_PASSWORD"
	}
	if !secret.ValidEnvName(o.PasswordEnv) {
		fail("the password's variable", faultf("is not the name of an environment variable").hinted("give the name, not the password"))
	}
	fail("user name", checkUsername(o.Username))
	fail("CA file", checkFileName(o.CAFile))
	main := starterRegistry{Username: o.Username, PasswordEnv: o.PasswordEnv, CAFile: o.CAFile}
	if o.Registry != "" {
		if !strings.Contains(o.Registry, "://") {
			o.Registry = "https://" + o.Registry
		}
		if u, f := parseEndpoint(o.Registry); !fail("registry", f) {
			main.Host, _ = canonicalHost(u.Host)
			main.URL, main.Plain, main.Override = u.String(), u.Scheme == "http", hasV2(u.Path)
			if !fail("registry", checkRegistryHost(main.Host)) {
				v.Registries = append(v.Registries, main)
			}
		}
	}
	for _, m := range o.Mirrors {
		name := "mirror of " + show(m.Host)
		host, _ := canonicalHost(m.Host)
		u, f := parseEndpoint(m.URL)
		if fail(name, checkRegistryHost(host)) || fail(name, f) {
			continue
		}
		r := starterRegistry{Host: host, URL: u.String(), Plain: u.Scheme == "http", Override: hasV2(u.Path), Mirror: true}
		if main.URL != "" && strings.HasPrefix(r.URL+"/", main.URL+"/") { // the same server, so the same credential
			r.Username, r.PasswordEnv, r.CAFile = main.Username, main.PasswordEnv, main.CAFile
		}
		v.Registries = append(v.Registries, r)
	}
	v.Images = o.Images
	if len(v.Registries) > 0 && v.Registries[0].Host != AnyHost {
		v.Example = v.Registries[0].Host + "/library/test-image:latest"
	}
	return v, problems
}

func hasV2(path string) bool { return strings.Contains(path+"/", "/v2/") }

// yamlText quotes text where YAML needs it.
func yamlText(s string) (string, error) {
	b, err := yaml.Marshal(scalarNode("!!str", s))
	return strings.TrimSuffix(string(b), "\n"), err
}

// APIVersion and Kind are for the template.
func (starterData) APIVersion() string { return v1alpha1.APIVersion }

// Kind is for the template.
func (starterData) Kind() string { return v1alpha1.Kind }
