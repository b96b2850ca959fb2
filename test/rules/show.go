package rules

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
)

// Show is the part of a rule's page with its examples.
func Show(all []Example, rule string) string {
	var b strings.Builder
	for _, e := range all {
		if e.Rule != rule {
			continue
		}
		what := "Wrong"
		if e.Good {
			what = "Right"
		}
		if b.Len() == 0 {
			b.WriteString("\n## Examples\n")
		}
		fmt.Fprintf(&b, "\n%s: %s\n", what, e.Why)
		for _, f := range e.Files {
			if bytes.HasPrefix(f.Data, []byte("@")) {
				fmt.Fprintf(&b, "\n`/%s`, in PEM.\n", f.Name)
				continue
			}
			kind := strings.TrimPrefix(filepath.Ext(f.Name), ".")
			if kind != "toml" {
				kind = "text"
			}
			fmt.Fprintf(&b, "\n`/%s`\n\n```%s\n%s```\n", f.Name, kind, f.Data)
		}
	}
	return b.String()
}
