package rules

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// Table is what real containerds made of the examples.
type Table struct {
	examples []Example
	seen     map[string]string
}

// NewTable makes an empty one.
func NewTable(all []Example) *Table { return &Table{examples: all, seen: map[string]string{}} }

// Put notes what an example showed on a release.
func (t *Table) Put(example, release, seen string) { t.seen[example+" "+release] = seen }

// Seen is what an example showed on a release.
func (t *Table) Seen(example, release string) (string, bool) {
	s, ok := t.seen[example+" "+release]
	return s, ok
}

// BadOf is the bad example that a good one puts right.
func (t *Table) BadOf(good Example) Example {
	name := strings.Replace(good.Name, "/good", "/bad", 1)
	i := slices.IndexFunc(t.examples, func(e Example) bool { return e.Name == name })
	if i < 0 {
		return Example{}
	}
	return t.examples[i]
}

// Head is one line that other pages quote.
func (t *Table) Head() string {
	rules, runs := map[string]bool{}, 0
	for _, e := range t.examples {
		for _, r := range e.Judged() {
			if _, ok := t.Seen(e.Name, r); ok {
				runs++
			}
		}
		if t.tried(e.Rule) {
			rules[e.Rule] = true
		}
	}
	return fmt.Sprintf("%d rules were tried on real containerds with %d starts and pulls of bad and good examples: each rule holds on the releases that it names, and on no other one.", len(rules), runs)
}

// Page is docs/rules/truth.md.
func (t *Table) Page() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# What containerd makes of it")
	line("")
	line("<!-- Written by `make e2e-full` (TestRules). Do not edit. -->")
	line("")
	line("%s", t.Head())
	line("")
	line("Each row is a [bad example](README.md) of a rule, in a real containerd of the column's release, with registries around it that write down who is asked:")
	line("`upstream` is https://registry.example.com, `mirror` http://mirror.example.com:5000. After the colon stands who was asked, in order.")
	line("**Bold** is where `pullway doctor` tells the rule.")
	line("")
	line("| Rule | Example | %s |", strings.Join(Releases, " | "))
	line("| --- | --- |%s", strings.Repeat(" --- |", len(Releases)))
	for _, e := range t.examples {
		if e.Good || e.Pull == "" || e.Effect(e.Judged()[0]) == "" {
			continue
		}
		row := []string{}
		for _, r := range Releases {
			row = append(row, t.cell(e, r))
		}
		other := ""
		for _, r := range e.Judged() {
			if _, ok := t.Seen(e.Name, r); ok && !slices.Contains(Releases, r) {
				other += fmt.Sprintf(" On %s: %s.", r, t.cell(e, r))
			}
		}
		line("| [%s](%s.md) | %s%s | %s |", e.Rule, e.Rule, e.Why, other, strings.Join(row, " | "))
	}
	var untried []string
	for _, e := range t.examples {
		if !e.Good && !slices.Contains(untried, e.Rule) && !t.tried(e.Rule) {
			untried = append(untried, e.Rule)
		}
	}
	line("")
	line("Not tried, because no release here has it or a pull does not show it: %s.", strings.Join(untried, ", "))
	return b.String()
}

// mostShown is how much of a cell a line of Text has room for.
const mostShown = 26

// Text is the table for a terminal, one line for each bad example: * stands where doctor
// tells the rule, and what is cut off is in the page.
func (t *Table) Text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "RULE\t%s\n", strings.Join(Releases, "\t"))
	for _, e := range t.examples {
		if e.Good || e.Pull == "" || e.Effect(e.Judged()[0]) == "" {
			continue
		}
		row := []string{strings.Replace(e.Name, "/bad", "", 1)}
		for _, r := range Releases {
			cell := strings.ReplaceAll(t.cell(e, r), "**", "")
			if len(cell) > mostShown {
				cell = cell[:mostShown-3] + "..."
			}
			if cell != "" && e.Tells(r) {
				cell = "*" + cell
			}
			row = append(row, cell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return "What real containerds make of the bad example of each rule (* told by pullway doctor; docs/rules/truth.md has all of it)\n\n" +
		strings.Join(lines, "\n") + "\n\n" + t.Head() + "\n"
}

// tried reports whether a bad example of the rule was run on a release on which it is
// told.
func (t *Table) tried(rule string) bool {
	return slices.ContainsFunc(t.examples, func(e Example) bool {
		if e.Rule != rule || e.Good {
			return false
		}
		return slices.ContainsFunc(e.Judged(), func(r string) bool {
			_, ok := t.Seen(e.Name, r)
			return ok && e.Tells(r) && e.Effect(r) != ""
		})
	})
}

func (t *Table) cell(e Example, release string) string {
	seen, ok := t.Seen(e.Name, release)
	if !ok {
		return ""
	}
	seen = strings.NewReplacer("https://registry.example.com", "upstream", "http://mirror.example.com:5000", "mirror", "; asked ", ": ").Replace(seen)
	if e.Tells(release) {
		return "**" + seen + "**"
	}
	return seen
}
