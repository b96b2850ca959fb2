package report

import (
	"io"
	"time"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report/page"
)

// Assess is the result of `pullway assess`.
type Assess struct {
	Schema string `json:"schema"`
	// Name of the specification.
	Name string `json:"name"`
	*impact.Assessment
	// All shows every workload.
	All bool `json:"-"`
}

// AssessSchema is the present version of Assess.
const AssessSchema = "pullway.dev/assess/v1"

// NewAssess makes the result. Workloads that are safe are among them only with all.
func NewAssess(name string, a *impact.Assessment, all bool) Assess {
	out := Assess{Schema: AssessSchema, Name: name, Assessment: a, All: all}
	if !all {
		short := *a
		short.Workloads = nil
		for _, w := range a.Workloads {
			if w.Verdict != impact.Safe {
				short.Workloads = append(short.Workloads, w)
			}
		}
		out.Assessment = &short
	}
	return out
}

// HTML writes one file that needs nothing else, with the time when it was made.
func (a Assess) HTML(w io.Writer, made time.Time) error {
	return page.Write(w, page.Page{Name: a.Name, Headline: a.Headline(), Made: made, Assessment: a.Assessment})
}
