package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/fleet"
)

// DoctorSchema is the present version of Doctor.
const DoctorSchema = "pullway.dev/doctor/v1"

// Doctor is the result of `pullway doctor`.
type Doctor struct {
	Schema string       `json:"schema"`
	Nodes  []DoctorNode `json:"nodes"`
	// Events are there with --kubeconfig only.
	Events *Events `json:"events,omitempty"`
	// Summary counts over all nodes.
	Summary DoctorSummary `json:"summary"`
}

// DoctorNode is what was found on one node, or in one tree of files.
type DoctorNode struct {
	Name string `json:"name"`
	// Release that was judged for; empty for every line of containerd.
	Release string `json:"release,omitempty"`
	// Findings, the worst first.
	Findings []doctor.Finding `json:"findings"`
	// More is how many findings were left out: no more than 2,000 are told of one node.
	More int `json:"more,omitempty"`
	// Health says what is wrong with CRI on a running node; absent when it is well.
	Health string `json:"health,omitempty"`
	// Unread are files that could not be looked at.
	Unread []doctor.Unread `json:"unread,omitempty"`
	// Fixes are what is mechanical: with --fix written, with a backup beside.
	Fixes []doctor.Fix `json:"fixes,omitempty"`
	// Journal is what containerd's journal tells of pulls that failed; nodes only.
	Journal *doctor.Journal `json:"journal,omitempty"`
	// Error tells why a node could not be asked.
	Error *fleet.NodeError `json:"error,omitempty"`

	local func(file string) string
}

// DoctorSummary counts.
type DoctorSummary struct {
	Nodes int `json:"nodes"`
	// WithProblems are the nodes with a problem of S1 to S3 on their own release.
	WithProblems int `json:"withProblems"`
	// Problems are the findings of S1 to S3 that hold now, PullsFail those of S4, Later
	// those of newer releases, and Advice the rest.
	Problems  int `json:"problems"`
	PullsFail int `json:"pullsFail"`
	Later     int `json:"later"`
	Advice    int `json:"advice"`
	// NotHealthy are the running nodes whose CRI is not well.
	NotHealthy int `json:"notHealthy,omitempty"`
	// Unread counts files, and Failed nodes, that could not be looked at.
	Unread int `json:"unread,omitempty"`
	Failed int `json:"failed,omitempty"`
}

// NewDoctorNode makes the result of one tree. local tells where a file of the node
// is on this machine; nil where it is not.
func NewDoctorNode(name string, r doctor.Report, ignore []string, local func(string) string) DoctorNode {
	kept := slices.DeleteFunc(slices.Clone(r.Findings), func(f doctor.Finding) bool {
		return slices.ContainsFunc(ignore, func(id string) bool { return strings.EqualFold(id, f.Rule) })
	})
	if kept == nil {
		kept = []doctor.Finding{}
	}
	return DoctorNode{Name: name, Release: r.Release, Findings: kept, More: r.More, Unread: r.Unread, local: local}
}

// NewDoctorAnswers makes the results of a fleet's answers.
func NewDoctorAnswers(answers []fleet.Answer, ignore []string) (all []DoctorNode) {
	for _, a := range answers {
		n := DoctorNode{Name: a.Target.Name, Findings: []doctor.Finding{}, Error: a.Err}
		if a.Err == nil && a.Reply != nil && a.Reply.Doctor != nil {
			n = NewDoctorNode(a.Target.Name, a.Reply.Doctor.Report, ignore, nil)
			n.Health, n.Fixes = a.Reply.Doctor.Health, a.Reply.Doctor.Fixes
			if n.Journal = a.Reply.Doctor.Journal; n.Journal != nil {
				leaveOut(n.Journal.Pulls, ignore)
			}
		}
		all = append(all, n)
	}
	return all
}

// NewDoctor makes the result of all of them.
func NewDoctor(nodes []DoctorNode) Doctor {
	d := Doctor{Schema: DoctorSchema, Nodes: append([]DoctorNode{}, nodes...)}
	d.Summary.Nodes = len(nodes)
	for _, n := range nodes {
		problem := false
		for _, f := range n.Findings {
			switch {
			case f.Problem():
				d.Summary.Problems++
				problem = true
			case !f.Now():
				d.Summary.Later++
			case f.Severity == doctor.S4:
				d.Summary.PullsFail++
			default:
				d.Summary.Advice++
			}
		}
		if problem {
			d.Summary.WithProblems++
		}
		if n.Health != "" {
			d.Summary.NotHealthy++
		}
		if n.Error != nil {
			d.Summary.Failed++
		}
		for _, u := range n.Unread {
			if !u.Outside {
				d.Summary.Unread++
			}
		}
	}
	return d
}

// Human writes the findings of one node, or those of a fleet put together.
func (d Doctor) Human(out *Printer) {
	if len(d.Nodes) == 0 && d.Events != nil {
		d.eventsAlone(out)
		return
	}
	if len(d.Nodes) == 1 {
		d.Nodes[0].human(out)
	} else {
		d.fleet(out)
	}
	d.pulls(out)
	d.conclude(out)
}

func (d Doctor) conclude(out *Printer) {
	s := d.Summary
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{{s.PullsFail, "finding over which pulls can fail"}, {s.Later, "finding for after an upgrade"}, {s.Advice, "piece"}} {
		switch {
		case p.n == 0:
		case p.text == "piece":
			parts = append(parts, count(p.n, p.text)+" of advice")
		default:
			parts = append(parts, strings.Replace(count(p.n, "finding")+strings.TrimPrefix(p.text, "finding"), "  ", " ", 1))
		}
	}
	more := ""
	if len(parts) > 0 {
		more = "; besides, " + strings.Join(parts, ", ")
	}
	if s.NotHealthy > 0 {
		out.line("%s", out.paint(red, "CRI is not well on "+count(s.NotHealthy, "node")+"."))
	}
	whole := s.Failed+s.Unread == 0
	switch {
	case s.Problems > 0 && s.Nodes == 1:
		out.line("%s%s.", out.paint(red, count(s.Problems, "problem")), more)
	case s.Problems > 0:
		out.line("%s%s.", out.paint(red, count(s.Problems, "problem")+" on "+count(s.WithProblems, "node")), more)
	case whole:
		out.line("%s%s.", out.paint(green, "No problem found"), more)
	default:
		out.line("%s%s.", out.paint(yellow, "No problem found in what could be looked at"), more)
	}
}

// human writes what was found on one node.
func (n DoctorNode) human(out *Printer) {
	release := "containerd " + n.Release
	if n.Release == "" {
		release = "judged for containerd 1.6 to 2.4; give yours by --containerd-version"
	}
	if n.Error != nil {
		out.line("%s  %s", out.paint(bold, n.Name), out.paint(red, "could not be asked"))
		out.line("  %s", n.Error.Text)
		out.hint("  ", n.Error.Hint)
		return
	}
	out.line("%s  %s", out.paint(bold, n.Name), release)
	if n.Health != "" {
		out.line("  %s %s", out.paint(red, "not healthy:"), n.Health)
	}
	for _, u := range n.Unread {
		out.line("  %s %s %s", out.paint(yellow, "not looked at:"), u.File, u.Text)
	}
	var advice []doctor.Finding
	last := doctor.Severity("")
	for _, f := range n.Findings {
		switch {
		case f.Now() && f.Severity == doctor.Advice:
			advice = append(advice, f)
			continue
		case f.Now() && f.Severity != last:
			out.line("")
			out.line("%s", out.paint(bold, string(f.Severity)+": "+f.Severity.Words()))
			last = f.Severity
		case !f.Now() && last != "later":
			out.line("")
			out.line("%s", out.paint(bold, "After an upgrade of containerd"))
			last = "later"
		}
		n.finding(f, out)
	}
	n.advice(advice, out)
	n.fixes(out)
	if n.More > 0 {
		out.line("")
		out.line("  and %s", count(n.More, "more finding"))
	}
	out.line("")
}

func (n DoctorNode) finding(f doctor.Finding, out *Printer) {
	since := ""
	if !f.Now() {
		since = " from " + f.Since + " on, " + string(f.Severity)
	}
	out.line("  %s%s  %s", out.paint(severityColour(f), f.Rule), since, f.Place())
	out.saying(f)
	if f.Until != "" {
		out.line("    %s", out.paint(faint, "no longer with "+f.Until))
	}
}

// saying writes what a finding says, and what becomes of it.
func (p *Printer) saying(f doctor.Finding) {
	p.wrapped("    ", f.Text)
	p.hint("    ", f.Hint)
	for _, l := range f.Later {
		p.wrapped("    ", "from "+l.Since+" on, "+string(l.Severity)+": "+l.Text)
	}
}

func severityColour(f doctor.Finding) colour {
	switch {
	case f.Problem():
		return red
	case f.Severity == doctor.Advice:
		return cyan
	}
	return yellow
}

// fixes writes the diff of each file that is or can be mended.
func (n DoctorNode) fixes(out *Printer) {
	for _, f := range n.Fixes {
		out.line("")
		word := out.paint(cyan, "--fix would write")
		if f.Written {
			word = out.paint(green, "written")
		}
		out.line("%s %s (%s)", word, f.File, strings.Join(f.Rules, ", "))
		out.diff(f.Diff)
		if f.Backup != "" {
			out.line("  as it was: %s", f.Backup)
		}
		if f.Written && f.Restart {
			out.line("  containerd reads it when it starts the next time")
		}
	}
}

// advice writes one line for each rule, with its first place.
func (n DoctorNode) advice(all []doctor.Finding, out *Printer) {
	if len(all) == 0 {
		return
	}
	out.line("")
	out.line("%s", out.paint(bold, "Advice"))
	slices.SortStableFunc(all, func(a, b doctor.Finding) int { return cmp.Compare(a.Rule, b.Rule) })
	for len(all) > 0 {
		f := all[0]
		same := 0
		for same < len(all) && all[same].Rule == f.Rule {
			same++
		}
		more := ""
		if same > 1 {
			more = " (and " + count(same-1, "more place") + ")"
		}
		out.line("  %s  %s%s", out.paint(cyan, f.Rule), f.Place(), more)
		out.wrapped("    ", f.Text)
		all = all[same:]
	}
}
