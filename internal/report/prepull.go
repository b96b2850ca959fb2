package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

// PrepullSchema is the present version of Prepull.
const PrepullSchema = "pullway.dev/prepull/v1"

// Prepull is the result of `pullway prepull`.
type Prepull struct {
	Schema string `json:"schema"`
	// Run is recorded on the nodes with what they keep; empty where nothing was to be done.
	Run string `json:"run,omitempty"`
	// DryRun: nothing was changed. Unpin: pins were taken away, and nothing fetched.
	DryRun  bool           `json:"dryRun"`
	Unpin   bool           `json:"unpin"`
	Nodes   []PrepullNode  `json:"nodes"`
	Summary PrepullSummary `json:"summary"`
}

// PrepullNode is how the images stand on one node. Ahead may be there beside Error.
type PrepullNode struct {
	Name  string            `json:"name"`
	Ahead *protocol.Fetched `json:"ahead,omitempty"`
	Error *fleet.NodeError  `json:"error,omitempty"`
}

// PrepullSummary counts images on nodes: an image on three nodes is three.
type PrepullSummary struct {
	Present int `json:"present"`
	Pulled  int `json:"pulled"`
	Missing int `json:"missing"`
	Failed  int `json:"failed"`
	// Refused are those whose size nobody knows.
	Refused int `json:"refused"`
	// Bytes that were fetched, and ToFetch that are not, as the registry keeps them.
	Bytes   int64 `json:"bytes"`
	ToFetch int64 `json:"toFetch"`
	// Unpinned nodes, and nodes with an Error.
	Unpinned int `json:"unpinned"`
	Errors   int `json:"errors"`
	// Pinned counts images on nodes that kubelet is told are pinned.
	Pinned int `json:"pinned"`
}

// NewPrepull makes the result of a fleet's answers.
func NewPrepull(run string, dry, unpin bool, answers []fleet.Answer) Prepull {
	p := Prepull{Schema: PrepullSchema, Run: run, DryRun: dry, Unpin: unpin}
	for _, a := range answers {
		n := PrepullNode{Name: a.Target.Name, Error: a.Err}
		if a.Reply != nil {
			n.Ahead = a.Reply.Ahead
		}
		p.Nodes = append(p.Nodes, n)
		p.Summary.add(n)
	}
	return p
}

func (s *PrepullSummary) add(n PrepullNode) {
	if n.Error != nil {
		s.Errors++
	}
	if n.Ahead == nil {
		return
	}
	if len(n.Ahead.Unpinned) > 0 {
		s.Unpinned++
	}
	pulled := s.Pulled
	for _, i := range n.Ahead.Images {
		switch i.State {
		case protocol.AheadPresent:
			s.Present++
		case protocol.AheadPulled:
			s.Pulled++
		case protocol.AheadMissing:
			s.Missing++
		case protocol.AheadFailed:
			s.Failed++
		case protocol.AheadRefused:
			s.Refused++
		}
		if i.Pinned {
			s.Pinned++
		}
	}
	// What images share is fetched once, which the node's sum knows; it is of all of
	// them, though.
	switch {
	case s.Pulled == pulled:
		s.ToFetch += n.Ahead.Bytes
	case n.whole():
		s.Bytes += n.Ahead.Bytes
	default:
		for _, i := range n.Ahead.Images {
			if i.State == protocol.AheadPulled {
				s.Bytes += i.Bytes
			}
		}
	}
}

// whole reports whether everything that was to be fetched was.
func (n PrepullNode) whole() bool {
	return !slices.ContainsFunc(n.Ahead.Images, func(i protocol.FetchedImage) bool {
		return i.State != protocol.AheadPulled && i.State != protocol.AheadPresent
	})
}

// OK reports whether every image is there, or with DryRun could be fetched.
func (p Prepull) OK() bool {
	s := p.Summary
	return s.Errors+s.Failed+s.Refused == 0 && (p.DryRun || s.Missing == 0)
}

// Changed reports whether anything was done on a node.
func (p Prepull) Changed() bool {
	return !p.DryRun && p.Summary.Pulled+p.Summary.Pinned+p.Summary.Unpinned > 0
}

// mostPrepullNodes is how many nodes have a line of their own where all is well.
const mostPrepullNodes = 20

// Human writes a line for each node, those with trouble first to be read, and what
// it comes to.
func (p Prepull) Human(out *Printer) {
	quiet := len(p.Nodes) > mostPrepullNodes
	for _, n := range p.Nodes {
		if !quiet || n.trouble() {
			n.human(out, p)
		}
	}
	for _, w := range p.warnings() {
		out.line("%s %s", out.paint(yellow, "warning:"), w)
	}
	out.line("%s", p.verdict(out))
}

func (n PrepullNode) trouble() bool {
	return n.Error != nil || n.Ahead != nil && slices.ContainsFunc(n.Ahead.Images, func(i protocol.FetchedImage) bool { return i.Error != "" })
}

func (n PrepullNode) human(out *Printer, p Prepull) {
	out.line("%s  %s", out.paint(bold, n.Name), n.words(p))
	if n.Error != nil {
		out.line("  %s %s", out.paint(red, "error:"), n.Error.Text)
		out.hint("  ", n.Error.Hint)
	}
	if n.Ahead == nil {
		return
	}
	for _, i := range n.Ahead.Images {
		if i.Error != "" {
			out.line("  %s %s: %s", out.paint(red, string(i.State)), i.Ref, i.Error)
			out.hint("  ", i.Hint)
		}
	}
	if k := n.Ahead.Pins; k != nil && p.Unpin {
		out.line("  pinned by run %s%s since %s: %s", k.Run, of(k.Operator), moment(k.Since), names(k.Images, 4))
	}
}

// left says what is not done.
func (s PrepullSummary) left() string {
	var parts []string
	if n := s.Failed + s.Refused + s.Missing; n > 0 {
		parts = append(parts, count(n, "image")+" not fetched")
	}
	if s.Errors > 0 {
		parts = append(parts, count(s.Errors, "node")+" with an error")
	}
	return strings.Join(parts, ", ")
}

// words is a node's line.
func (n PrepullNode) words(p Prepull) string {
	f := n.Ahead
	switch {
	case f == nil:
		return "gave no answer"
	case p.Unpin && p.DryRun && f.Pins == nil, p.Unpin && !p.DryRun && len(f.Unpinned) == 0:
		return "nothing is pinned by Pullway"
	case p.Unpin && p.DryRun:
		return count(len(f.Pins.Images), "image") + " would be unpinned"
	case p.Unpin:
		return count(len(f.Unpinned), "name") + " unpinned"
	}
	var s PrepullSummary
	s.add(n)
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{s.Pulled, "pulled"}, {s.Present, "there already"}, {s.Missing, "to fetch"}, {s.Failed, "failed"}, {s.Refused, "refused"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	text := strings.Join(parts, ", ")
	if text == "" {
		return "nothing is to be here"
	}
	switch {
	case s.Pulled > 0:
		text += fmt.Sprintf("; %s fetched", protocol.Size(s.Bytes))
	case s.Missing > 0:
		text += fmt.Sprintf("; takes %s (twice %s) of %s free", protocol.Size(f.Need), protocol.Size(f.Bytes), protocol.Size(f.Room))
	}
	if s.Pinned > 0 {
		text += fmt.Sprintf("; %d pinned", s.Pinned)
	}
	return text
}

// warnings are what nodes say, each once with how many say it.
func (p Prepull) warnings() []string {
	by := map[string][]string{}
	for _, n := range p.Nodes {
		if n.Ahead != nil && n.Ahead.Warning != "" {
			by[n.Ahead.Warning] = append(by[n.Ahead.Warning], n.Name)
		}
	}
	var all []string
	for w, on := range by {
		all = append(all, names(on, 4)+": "+w)
	}
	slices.Sort(all)
	return all
}

func (p Prepull) verdict(out *Printer) painted {
	s := p.Summary
	switch {
	case len(p.Nodes) == 0:
		return out.paint(green, "No image is at risk that these nodes could fetch.")
	case p.Unpin && s.Errors > 0:
		return out.paint(red, count(s.Errors, "node")+" could not be asked; pins there stay.")
	case p.Unpin && p.DryRun:
		return out.paint(green, "Nothing was changed.")
	case p.Unpin:
		return out.paint(green, "Nothing is pinned by Pullway on "+count(len(p.Nodes), "node")+".")
	case !p.OK() && p.DryRun:
		return out.paint(red, "Not everything could be fetched; nothing was changed.")
	case !p.OK():
		return out.paint(red, "Not done: "+s.left()+". The same command goes on from here.")
	case p.DryRun:
		return out.paint(green, fmt.Sprintf("%s to fetch, through what each node is configured with now. Nothing was changed.", protocol.Size(s.ToFetch)))
	case s.Pinned > 0:
		return out.paint(green, "Every image is where it has to be, pinned until apply or rollback ends there, or prepull --unpin.")
	}
	return out.paint(green, "Every image is where it has to be.")
}
