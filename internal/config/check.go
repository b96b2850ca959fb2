package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pullway/pullway/api/v1alpha1"
)

// checker collects what is wrong with one spec, and where.
type checker struct {
	file     string
	places   map[string]place
	spoilt   map[string]bool
	problems Problems
	warnings Problems
	// broken are the paths of problems and all their parents.
	broken map[string]bool
	// people are the user names that were warned about.
	people map[string]bool
}

// problem notes something wrong with the value at path, unless the value could
// not be read in the first place.
func (c *checker) problem(path, text, hint string) {
	if c.unread(path) {
		return
	}
	c.problems = append(c.problems, c.at(path, text, hint))
	c.markBroken(path)
}

func (c *checker) markBroken(path string) {
	if c.broken == nil {
		c.broken = map[string]bool{}
	}
	for c.broken[path] = true; path != ""; c.broken[path] = true {
		path = parent(path)
	}
}

func (c *checker) fault(path string, f *fault) {
	if f != nil {
		c.problem(path, f.text, f.hint)
	}
}

func (c *checker) missing(path, hint string) { c.problem(path, "is missing", hint) }

func (c *checker) warn(path, text, hint string) {
	if !c.unread(path) {
		c.warnings = append(c.warnings, c.at(path, text, hint))
	}
}

func (c *checker) at(path, text, hint string) Problem {
	p := Problem{File: c.file, Path: path, Text: text, Hint: hint}
	for at := path; ; at = parent(at) {
		if pl, ok := c.places[at]; ok {
			p.Line, p.Column = pl.line, pl.column
			return p
		}
		if at == "" {
			return p
		}
	}
}

func (c *checker) unread(path string) bool {
	for ; path != ""; path = parent(path) {
		if c.spoilt[path] {
			return true
		}
	}
	return false
}

// failed reports whether something is wrong at path or below it.
func (c *checker) failed(path string) bool { return c.broken[path] }

// tooMany bounds a list: what is checked against each other costs time, and
// containerd waits up to 30 seconds for each endpoint.
func (c *checker) tooMany(path string, n, most int) bool {
	if n > most {
		c.problem(path, fmt.Sprintf("has %d elements, more than %d", n, most), "")
	}
	return n > most
}

// parent cuts the last key or index off a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// Most elements of each list of a spec.
const (
	maxRegistries = 1000
	maxGroups     = 100
	maxEndpoints  = 32
	maxHeaders    = 64
	maxImages     = 1000
)

// Validate checks a RegistryConfig with defaults filled in (see Default) and
// reads nothing: no file, no variable. Both lists are in the order of the
// fields. A spec without problems can still name a file that is not there.
func Validate(cfg v1alpha1.RegistryConfig) (problems, warnings Problems) {
	var c checker
	c.config(cfg)
	return c.problems, c.warnings
}

func (c *checker) config(cfg v1alpha1.RegistryConfig) {
	c.typeFields(cfg)
	c.name(cfg.Metadata.Name)
	if !c.tooMany("spec.registries", len(cfg.Spec.Registries), maxRegistries) {
		c.registries(cfg.Spec.Registries)
	}
	if !c.tooMany("spec.verify.images", len(cfg.Spec.Verify.Images), maxImages) {
		c.verify(cfg.Spec)
	}
	c.rollout(cfg.Spec.Rollout)
}

func (c *checker) typeFields(cfg v1alpha1.RegistryConfig) {
	for _, f := range []struct{ path, got, want string }{
		{"apiVersion", cfg.APIVersion, v1alpha1.APIVersion},
		{"kind", cfg.Kind, v1alpha1.Kind},
	} {
		switch f.got {
		case f.want:
		case "":
			c.missing(f.path, "write "+f.path+": "+f.want)
		default:
			c.problem(f.path, show(f.got)+" is not "+f.want, "")
		}
	}
}

// objectName is what Kubernetes takes as a name; it also becomes part of file
// names on nodes.
var objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (c *checker) name(name string) {
	if !objectName.MatchString(name) {
		c.problem("metadata.name", show(name)+" is not a name", "use up to 63 letters in lower case, digits and -, such as default")
	}
}

// oneOf checks a word against its allowed values.
func oneOf[T ~string](got T, allowed ...T) *fault {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		if got == a {
			return nil
		}
		words[i] = string(a)
	}
	last := len(words) - 1
	return faultf("%s is not known", show(string(got))).hinted("use %s or %s", strings.Join(words[:last], ", "), words[last])
}
