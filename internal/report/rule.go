package report

import (
	"strings"

	"github.com/pullway/pullway/internal/doctor"
)

// RuleSchema is the present version of Rules.
const RuleSchema = "pullway.dev/doctor-rules/v1"

// Rules is the result of `pullway doctor --explain` and `--error`.
type Rules struct {
	Schema string `json:"schema"`
	Rules  []Rule `json:"rules"`
	// message tells that the rules were found by an error message.
	message bool
}

// Rule is one rule as its page tells it.
type Rule struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	Severity doctor.Severity `json:"severity"`
	Releases string          `json:"releases"`
	Errors   []string        `json:"errors,omitempty"`
	Cause    string          `json:"cause"`
	Fix      string          `json:"fix"`
	Links    []string        `json:"links,omitempty"`
	// Quoted is the line of the message by which it was found.
	Quoted string `json:"quoted,omitempty"`
}

// NewRules makes the result of rules that were asked for by name.
func NewRules(all []doctor.Rule) Rules {
	r := Rules{Schema: RuleSchema, Rules: []Rule{}}
	for _, x := range all {
		r.Rules = append(r.Rules, ruleView(x))
	}
	return r
}

// NewMatches makes the result of rules that a message is of.
func NewMatches(all []doctor.Match) Rules {
	r := Rules{Schema: RuleSchema, Rules: []Rule{}, message: true}
	for _, m := range all {
		v := ruleView(m.Rule)
		v.Quoted = m.Line
		r.Rules = append(r.Rules, v)
	}
	return r
}

func ruleView(x doctor.Rule) Rule {
	v := Rule{ID: x.ID, Title: x.Title, Severity: x.Severity, Releases: x.Releases, Errors: x.Errors, Cause: x.Cause, Fix: x.Fix}
	for _, l := range x.Links {
		v.Links = append(v.Links, doctor.URL(l))
	}
	return v
}

// Human writes a page for each rule, short ones for a message.
func (r Rules) Human(out *Printer) {
	if len(r.Rules) == 0 {
		out.line("No rule knows this message. Look at the node itself: pullway doctor -i INVENTORY")
		return
	}
	quoted := ""
	for i, x := range r.Rules {
		if i > 0 {
			out.line("")
		}
		if x.Quoted != quoted {
			quoted = x.Quoted
			out.wrapped("", short(quoted, 300))
			out.line("")
		}
		out.line("%s  %s", out.paint(bold, x.ID), out.paint(bold, x.Title))
		out.line("  %s, %s. Releases: %s.", string(x.Severity), x.Severity.Words(), x.Releases)
		if !r.message {
			for _, e := range x.Errors {
				out.line("  %s %s", out.paint(faint, "says:"), e)
			}
		}
		out.wrapped("  ", x.Cause)
		out.wrapped("  ", "Fix: "+x.Fix)
		if r.message {
			out.line("  %s pullway doctor --explain %s", out.paint(cyan, "more:"), x.ID)
			continue
		}
		for _, l := range x.Links {
			out.line("  %s", l)
		}
	}
}

// wrapped writes text in lines of at most 96 characters.
func (p *Printer) wrapped(indent, text string) {
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len([]rune(indent+line+" "+w)) > 96 {
			p.line("%s%s", indent, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	if line != "" {
		p.line("%s%s", indent, line)
	}
}

func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
