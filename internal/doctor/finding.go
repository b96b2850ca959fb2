package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// Finding is one rule at one place.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// File as it is on the node; empty for what is of no file.
	File string `json:"file,omitempty"`
	// Line and Column count from 1; absent where unknown.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Text says what happens, Hint what to do. Neither holds a credential.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	// Since is the containerd line, such as "2.3", or the release of its own line, from
	// which on it holds, when it does not hold on the node's own release.
	Since string `json:"since,omitempty"`
	// Until is the line from which on it does not hold any more.
	Until string `json:"until,omitempty"`
	// Later says what newer lines make of it where that is something else.
	Later []Later `json:"later,omitempty"`
}

// Later is what a finding becomes with a newer release.
type Later struct {
	Since    string   `json:"since"`
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
}

// Now reports whether it holds on the node's own release.
func (f Finding) Now() bool { return f.Since == "" }

// Problem reports whether it makes doctor exit with 3.
func (f Finding) Problem() bool { return f.Now() && f.Severity.Problem() }

// Place is "file:line:column" as far as it is known.
func (f Finding) Place() string {
	switch {
	case f.Line == 0:
		return f.File
	case f.Column == 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// sortFindings orders: what holds now first, the worst first, then by place.
func sortFindings(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(severityOrder(a), severityOrder(b)), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
}

func severityOrder(f Finding) string {
	if f.Severity == Advice {
		return "T" // behind S4
	}
	return string(f.Severity)
}
