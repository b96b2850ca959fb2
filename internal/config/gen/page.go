package main

import (
	"fmt"
	"slices"
	"strings"
)

const intro = `# RegistryConfig

<!-- Generated from the comments of api/v1alpha1 by "go run ./internal/config/gen". Edit those. -->

The spec says which registries the nodes of a cluster pull from, with which
credentials, how that is proven, and how a change of it is rolled out. It is one
YAML (or JSON) document of at most 1 MiB. ` + "`pullway init`" + ` writes a first one.

Keys are strict: unknown keys, double keys and wrong types are refused. All
problems are told at once, each with its place:

` + "```text" + `
pullway.yaml:6:7: spec.registries[0].host: "http://192.168.21.9" has a scheme
` + "```" + `

Anchors and aliases are read; merge keys (` + "`<<`" + `) are not.

## Example

` + "```yaml\n%s```\n"

// page renders the spec as Markdown.
func (s *spec) page(example string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, intro, example)
	for _, g := range s.groups {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", g.name, markdown(g.doc))
		b.WriteString("| Field | Type | Default | Description |\n| --- | --- | --- | --- |\n")
		for _, f := range g.fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.key, s.typeCell(f.typ), defaultCell(f), markdown(f.doc))
		}
	}
	return []byte(b.String())
}

func (s *spec) typeCell(typ string) string {
	if elem, ok := strings.CutPrefix(typ, "[]"); ok {
		return "list of " + s.typeCell(elem)
	}
	switch typ {
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "int":
		return "number"
	case "map":
		return "text by name"
	case "IntOrPercent":
		return "number or percentage"
	}
	if words := s.words[typ]; len(words) > 0 {
		return "`" + strings.Join(words, "`, `") + "`"
	}
	if slices.ContainsFunc(s.groups, func(g group) bool { return g.name == typ }) {
		return fmt.Sprintf("[%s](#%s)", typ, strings.ToLower(typ))
	}
	return typ
}

func defaultCell(f field) string {
	switch {
	case f.preset != "":
		return markdown(f.preset)
	case f.optional:
		return "none"
	}
	return "required"
}

// markdown keeps a comment's text as it is inside a cell.
func markdown(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}
