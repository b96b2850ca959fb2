package agreement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/test/rules"
)

// Table is what came of all cases.
type Table struct{ results map[string]Result }

// NewTable makes the table of these results.
func NewTable(all []Result) Table {
	t := Table{map[string]Result{}}
	for _, r := range all {
		t.results[r.Case+"\x00"+r.Release] = r
	}
	return t
}

func (t Table) of(c Case, release string) (Result, bool) {
	r, ok := t.results[c.Name+"\x00"+release]
	return r, ok
}

// Rates has a line for each release: in how many configurations trace and pull agree.
func (t Table) Rates() (lines []string) {
	for _, release := range rules.Releases {
		all, agreed := 0, 0
		for _, c := range Cases() {
			r, ok := t.of(c, release)
			if !ok {
				continue
			}
			all++
			if len(r.Disagreements()) == 0 {
				agreed++
			}
		}
		if all > 0 {
			lines = append(lines, fmt.Sprintf("containerd %s: trace and pull agree in %d of %d configurations, %.1f %%", release, agreed, all, 100*float64(agreed)/float64(all)))
		}
	}
	return lines
}

// Page is docs/trace-agreement.md.
func (t Table) Page() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Where a trace and a pull agree")
	line("")
	line("<!-- Recorded by `make e2e-full` (TestTraceAgreement). Do not edit. -->")
	line("")
	for _, rate := range t.Rates() {
		line("- %s", rate)
	}
	line("")
	line("Each row is one configuration of a real containerd, from which an image is pulled through CRI, and then traced. To agree is to have the same result, the same order of")
	line("hosts told from the files, and to send the same requests to the same hosts: the registries write down host, path, `ns`, method and headers. They are called after what they")
	line("answer (`e401` 401, `noblob` a manifest and no layers). In the table is what containerd did: whether it pulled, who it asked where the image is, in order, and after")
	line("`content:` who it asked for the first blob where it is another.")
	line("`upstream` is https://registry.example.com, `mirror` http://mirror.example.com:5000, and other names are without `http://` and `.example.com:5000`.")
	line("")
	line("| Configuration | What containerd does |")
	line("| --- | --- |")
	for _, c := range Cases() {
		line("%s", t.Row(c))
	}
	return b.String()
}

// Row is what the page says of a configuration; empty where it was not run.
func (t Table) Row(c Case) string {
	if cells := t.cells(c); cells != "" {
		return fmt.Sprintf("| %s | %s |", c.Name, cells)
	}
	return ""
}

// cells puts releases together that do the same.
func (t Table) cells(c Case) string {
	var order []string
	on := map[string][]string{}
	for _, release := range rules.Releases {
		r, ok := t.of(c, release)
		if !ok {
			continue
		}
		text := r.Pull.short()
		if len(r.Disagreements()) > 0 {
			text += " (**the trace does not agree**)"
		}
		if on[text] == nil {
			order = append(order, text)
		}
		on[text] = append(on[text], release)
	}
	var cells []string
	for _, text := range order {
		if len(order) > 1 || len(on[text]) < len(rules.Releases) {
			text = strings.Join(on[text], ", ") + ": " + text
		}
		cells = append(cells, text)
	}
	return strings.Join(cells, "<br>")
}

var words = strings.NewReplacer("https://registry.example.com", "upstream", "http://", "", ".example.com:5000", "", ".example.com", "")

// short is what a pull did in a line.
func (s Seen) short() string {
	text := "fails"
	if s.OK {
		text = "pulls"
	}
	hosts := s.Hosts
	if len(hosts) == 0 {
		return text + ", asks nobody"
	}
	text += ": " + say(hosts)
	if len(s.Blob) > 0 && !slices.Equal(s.Blob, hosts[len(hosts)-1:]) {
		text += "; content: " + say(s.Blob)
	}
	return text
}

func say(hosts []string) string {
	all := make([]string, len(hosts))
	for i, h := range hosts {
		all[i] = words.Replace(h)
	}
	return strings.Join(all, ", ")
}
