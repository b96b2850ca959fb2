package report

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/trace"
)

// drawTrace draws the tree of one node.
func drawTrace(out *Printer, who string, t *trace.Trace) {
	out.line("%s  %s  %s", out.paint(bold, who), t.Image, out.paint(faint, "containerd "+t.Release))
	out.line("│  %s", out.paint(faint, t.Pulls))
	if t.Source != "" {
		out.line("│  %s", out.paint(cyan, t.Source))
	}
	branch(out, "│  ", t.Why)
	for i := range t.Hosts {
		out.line("│")
		drawHost(out, i+1, &t.Hosts[i], t)
	}
	for _, n := range t.Notes {
		out.line("│")
		branch(out, "├─ note: ", n.Text)
		if n.Hint != "" {
			branch(out, "│  hint: ", n.Hint)
		}
	}
	if p := t.Pull; p != nil {
		out.line("│")
		word, c := "PULL AGREES", green
		switch {
		case p.Agrees == nil:
			word, c = "NO PULL", cyan
		case !*p.Agrees:
			word, c = "PULL SHOWS OTHERWISE", red
		}
		out.line("├─ %s", out.paint(c, word))
		branch(out, "│  ", p.Text)
		if p.Hint != "" {
			branch(out, "│  hint: ", p.Hint)
		}
	}
	out.line("│")
	switch v := t.Verdict; {
	case v == nil:
		out.line("└─ no host was asked")
	case v.Served:
		out.tail(green, "SERVED", v.Text, v.Hint)
	default:
		out.tail(red, "FAILS", v.Text, v.Hint)
	}
}

// tail is the verdict at the foot of the tree.
func (p *Printer) tail(c colour, word, text, hint string) {
	p.line("└─ %s", p.paint(c, word))
	p.wrap("   ", text)
	if hint != "" {
		p.wrap("   hint: ", hint)
	}
}

func drawHost(out *Printer, number int, h *trace.Host, t *trace.Trace) {
	state := painted("")
	switch {
	case h.Content != nil && h.Content.Fault != "" && h.Answer != nil && h.Answer.Then == trace.ThenServes:
		state = out.paint(red, "no content")
	case h.Content != nil && h.Content.Then == trace.ThenServes && (h.Answer == nil || h.Answer.Then != trace.ThenServes):
		state = out.paint(green, "gives the layers")
	case h.Skipped != "":
		state = out.paint(faint, "skipped")
	case h.Answer == nil && t.Verdict != nil:
		state = out.paint(faint, "not reached")
	case h.Answer == nil:
	case h.Answer.Then == trace.ThenServes:
		state = out.paint(green, "serves it")
	default:
		state = out.paint(red, h.Answer.Fault)
	}
	if state != "" {
		state = "  " + state
	}
	out.line("├─ %d  %s%s", number, out.paint(bold, h.URL), state)
	if all := traits(h, t.Source); len(all) > 0 {
		branch(out, "│     ", strings.Join(all, " · "))
	}
	if h.Skipped != "" {
		branch(out, "│     ", "skipped: "+h.Skipped)
	}
	answered(out, h.Answer, map[trace.Then]string{trace.ThenNext: "→ containerd tries the next host", trace.ThenFails: "→ there is no further host", trace.ThenStops: "→ containerd stops here"})
	answered(out, h.Content, map[trace.Then]string{trace.ThenNext: "→ containerd asks the next host for content", trace.ThenStops: "→ containerd stops here"})
}

// answered draws the steps of an answer and what containerd does after it.
func answered(out *Printer, a *trace.Answer, then map[trace.Then]string) {
	if a == nil {
		return
	}
	for _, s := range a.Steps {
		branch(out, fmt.Sprintf("│     %-9s %8s  ", Clean(s.Name), shortly(s.Took)), s.Text)
	}
	if a.Fault != "" {
		branch(out, "│     ✗ ", a.Text)
		out.line("│     %s", then[a.Then])
	}
}

// branch writes wrapped text; every line of it keeps the bar at the left.
func branch(out *Printer, start, text string) {
	indent := []rune(strings.Repeat(" ", len([]rune(start))))
	indent[0] = '│'
	out.wrapUnder(start, string(indent), text)
}

// traits say how containerd asks a host; source is what decided, and said above.
func traits(h *trace.Host, source string) (all []string) {
	switch {
	case h.Upstream:
		all = append(all, "the registry that the image names")
	case h.At != "":
		at := h.At
		if strings.HasPrefix(at, source+":") {
			at = path.Base(at)
		}
		all = append(all, at)
	}
	if !slices.Contains(h.Capabilities, "push") {
		all = append(all, strings.Join(h.Capabilities, "+")+" only")
	}
	if h.HTTPSFirst {
		all = append(all, "https first, then http")
	}
	if h.SkipVerify {
		all = append(all, "certificate not checked")
	}
	for _, f := range h.CA {
		all = append(all, "ca "+f)
	}
	for _, f := range h.ClientCert {
		all = append(all, "client certificate "+f)
	}
	for _, name := range h.Headers {
		all = append(all, "header "+name)
	}
	if h.Login != "" {
		all = append(all, h.Login)
	}
	if h.Namespace != "" {
		all = append(all, "ns="+h.Namespace)
	}
	if h.Proxy != "" {
		all = append(all, "by the proxy "+h.Proxy)
	}
	if h.DialTimeout != "" {
		all = append(all, "dial time-out "+h.DialTimeout)
	}
	return all
}

// shortly writes a time for a column.
func shortly(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
