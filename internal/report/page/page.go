// Package page makes the HTML report of an assessment: one file that holds all it
// needs, so that it can be sent by mail and opened without a network.
package page

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/terminal"
)

var (
	//go:embed page.html.tmpl
	layout string
	//go:embed page.css
	style string
	//go:embed page.js
	script string

	tmpl = template.Must(template.New("page").Funcs(template.FuncMap{"join": strings.Join}).Parse(layout))
)

// Page is what is shown.
type Page struct {
	// Name of the specification, and Headline of the assessment in one line.
	Name, Headline string
	Made           time.Time
	*impact.Assessment
}

// Write writes the page to w. What a cluster, a node or a registry said stands in
// it as text only, cleaned of what is invisible: no markup and no script of theirs.
// The page allows itself no request (Content-Security-Policy).
func Write(w io.Writer, p Page) error {
	data, err := json.Marshal(p.Workloads)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = tmpl.Execute(&b, map[string]any{
		"Page": p, "Style": template.CSS(style), "Script": template.JS(script),
		"Rows": rows(p.Assessment), "Tiles": tiles(p.Assessment), "Waves": p.Waves, "Gaps": gaps(p.Gaps),
		"Change": change(p.Assessment), "Data": island(data), "Made": p.Made.UTC().Format("2006-01-02 15:04 MST"),
	})
	if err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// island is JSON that can stand in a script element: encoding/json writes <, > and &
// as \u003c, \u003e and \u0026, so nothing in it ends the element.
func island(data []byte) template.JS { return template.JS(terminal.Clean(string(data))) }

// A tile is one verdict with its count; it filters the table.
type tile struct {
	Verdict impact.Verdict
	Text    string
	N       int
	Note    string
}

func tiles(a *impact.Assessment) []tile {
	t := func(v impact.Verdict, all, change int) tile {
		note := ""
		if v != impact.Safe && all > change {
			note = fmt.Sprintf("%d without the change too", all-change)
		}
		return tile{v, verdictText(v), all, note}
	}
	s, by := a.Summary, a.ByChange
	return []tile{t(impact.FailsNow, s.FailsNow, by.FailsNow), t(impact.FailsIfRestarted, s.FailsIfRestarted, by.FailsIfRestarted),
		t(impact.FailsIfMoved, s.FailsIfMoved, by.FailsIfMoved), t(impact.Safe, s.Safe, by.Safe)}
}

// gaps cleans what a server said.
func gaps(all []impact.Gap) []impact.Gap {
	out := make([]impact.Gap, len(all))
	for i, g := range all {
		out[i] = impact.Gap{What: terminal.Clean(g.What), Why: terminal.Clean(g.Why), Means: terminal.Clean(g.Means), Hint: terminal.Clean(g.Hint)}
	}
	return out
}

func verdictText(v impact.Verdict) string { return strings.ReplaceAll(string(v), "-", " ") }

// change is what the change does to containerd, in lines.
func change(a *impact.Assessment) []string {
	r := a.Restarts
	if r.Known == 0 {
		return []string{"No node was asked, so whether containerd restarts is not known."}
	}
	if len(r.Nodes) == 0 {
		return []string{fmt.Sprintf("containerd restarts on none of the %d nodes that were asked; no stream drops.", r.Known)}
	}
	lines := []string{fmt.Sprintf("containerd restarts on %d of the %d nodes that were asked. The %d pods there run on; exec, attach, port-forward and log streams to them drop.", len(r.Nodes), r.Known, r.Pods)}
	if len(r.Recreate) > 0 {
		lines = append(lines, "Every pod is ended or made anew by the restart on: "+strings.Join(r.Recreate, ", "))
	}
	return lines
}
