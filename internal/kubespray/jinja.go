package kubespray

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// templates complains of each text in a value that Ansible takes for the beginning
// of a template: it makes one value of the whole variable, keys included that no
// template of the role reads.
func (s *subject) templates(n *yaml.Node, depth int) {
	if n == nil || depth > maxNesting {
		return
	}
	if neverEnds(n) {
		s.say(n, Fails, "write it as !unsafe, or in base64 where that is read", "Ansible takes the braces in this text for a template that never ends, and the task fails")
	}
	for _, c := range n.Content {
		s.templates(follow(c), depth+1)
	}
}

// neverEnds reports whether a scalar opens a template that it does not close.
func neverEnds(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag != "!vault" && n.Tag != "!unsafe" && opensJinja(n.Value)
}

// opensJinja reports whether a text opens a template, a statement or a comment of
// Jinja that it does not close.
func opensJinja(text string) bool {
	for i := 0; i+1 < len(text); {
		end, ok := map[string]string{"{{": "}}", "{%": "%}", "{#": "#}"}[text[i:i+2]]
		if !ok {
			i++
			continue
		}
		_, after, found := strings.Cut(text[i+2:], end)
		if !found {
			return true
		}
		i = len(text) - len(after)
	}
	return false
}

func isJinja(text string) bool { return strings.Contains(text, "{{") || strings.Contains(text, "{%") }
