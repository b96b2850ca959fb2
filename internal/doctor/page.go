package doctor

import (
	"fmt"
	"strings"
)

// Page is the Markdown page of a rule, as in docs/rules.
func (r Rule) Page() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s: %s", r.ID, r.Title)
	line("")
	line("<!-- Written by `make generate` from internal/doctor. Do not edit. -->")
	line("")
	line("| | |\n| --- | --- |")
	line("| Severity | %s: %s |", r.Severity, r.Severity.Words())
	line("| Releases | %s |", r.Releases)
	told := r.Told.Words()
	if r.Told != FromMessage && len(r.Errors) > 0 {
		told += ", or an error message (`--error`)"
	}
	line("| Told from | %s |", told)
	line("")
	line("## What you see")
	line("")
	if len(r.Errors) == 0 {
		line("No error message.")
	}
	for _, e := range r.Errors {
		line("```text\n%s\n```", e)
	}
	line("")
	line("## What happens")
	line("")
	line("%s", r.Cause)
	line("")
	line("## What to do")
	line("")
	line("%s", r.Fix)
	if len(r.Links) > 0 {
		line("")
		line("## Where people met it")
		line("")
		for _, l := range r.Links {
			if u := URL(l); u != l {
				line("- [%s](%s)", l, u)
			} else {
				line("- <%s>", l)
			}
		}
	}
	return b.String()
}

// Words says in words from what a rule is told.
func (t Told) Words() string {
	switch t {
	case FromFiles:
		return "the files of a node"
	case FromNode:
		return "a running node (`-i`, `--nodes`, `--local`)"
	}
	return "an error message only (`--error`)"
}

// Index is the page of all rules.
func Index() string {
	var b strings.Builder
	b.WriteString("# Rules\n\n<!-- Written by `make generate` from internal/doctor. Do not edit. -->\n\n")
	fmt.Fprintf(&b, "The %d rules of [`pullway doctor`](../doctor.md). What real containerds make of the bad example of each is in [truth.md](truth.md).\n\n", len(Catalogue()))
	b.WriteString("| Rule | What is wrong | Severity | Releases | Told from |\n| --- | --- | --- | --- | --- |\n")
	from := map[Told]string{FromFiles: "files", FromNode: "a running node", FromMessage: "a message only"}
	for _, r := range Catalogue() {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s | %s |\n", r.ID, r.ID, strings.ReplaceAll(r.Title, "|", `\|`), r.Severity, r.Releases, from[r.Told])
	}
	return b.String()
}
