package report

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

// mostLive is how many nodes at work are shown at once on a terminal.
const mostLive = 12

// Progress shows what happens while it happens: on a terminal a block that is
// redrawn, otherwise one plain line for each wave, fetched image, step and end. It is a
// fleet.Observer.
type Progress struct {
	mu    sync.Mutex
	out   *Printer
	live  bool
	steps bool
	drawn int
	order []string
	at    map[string]string
	waits map[string]bool
}

// NewProgress writes to w. live redraws in place with ANSI codes; steps writes
// every step of every node when not live.
func NewProgress(w io.Writer, live, steps bool) *Progress {
	return &Progress{out: NewPrinter(w, live), live: live, steps: steps, at: map[string]string{}, waits: map[string]bool{}}
}

// WaveStarted implements fleet.Observer.
func (p *Progress) WaveStarted(wave int, undo bool, nodes []string) {
	what := fmt.Sprintf("wave %d", wave)
	switch {
	case undo:
		what = "putting back"
	case wave == 0:
		what = "canary"
	}
	p.say("%s: %s", what, names(nodes, 8))
}

// NodeStep implements fleet.Observer.
func (p *Progress) NodeStep(node string, step protocol.Step, text string) {
	words := stepText(step)
	if text != "" {
		words += " " + Clean(text)
	}
	if !p.live {
		if p.steps || step == protocol.StepPulled || p.waitsAnew(node, step) {
			p.say("%s: %s", node, words)
		}
		return
	}
	p.doing(node, words)
}

// doing redraws what is done right now.
func (p *Progress) doing(name, words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.at[name]; !known {
		p.order = append(p.order, name)
	}
	p.at[name] = words
	p.erase()
	p.draw()
}

// PlayTask tells that a playbook begins a task on these nodes.
func (p *Progress) PlayTask(nodes []string, task string) {
	if p.live {
		for _, n := range nodes {
			p.NodeStep(n, protocol.StepPlay, task)
		}
	} else if p.steps {
		p.say("playbook: %s", task)
	}
}

// PlayChanged tells that a task of a playbook changed something on a node. On a
// terminal the node's line has said what is done.
func (p *Progress) PlayChanged(node, task string) {
	if !p.live {
		p.say("%s: changed by task %s", node, task)
	}
}

// Doing says what is done right now with something that is no node; without a
// terminal each new thing is one line.
func (p *Progress) Doing(name, words string) {
	if p.live {
		p.doing(name, words)
		return
	}
	p.mu.Lock()
	same := p.at[name] == words
	p.at[name] = words
	p.mu.Unlock()
	if !same {
		p.say("%s: %s", name, words)
	}
}

// Told says what became of something that is no node.
func (p *Progress) Told(name, what, text string) {
	p.forget(name)
	if text != "" {
		what += ": " + text
	}
	p.say("%s: %s", name, what)
}

func (p *Progress) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.at, name)
	for i, n := range p.order {
		if n == name {
			p.order = append(p.order[:i], p.order[i+1:]...)
			break
		}
	}
}

// waitsAnew reports whether a node begins to be waited for, which may last minutes
// and is told once also where steps are not.
func (p *Progress) waitsAnew(node string, step protocol.Step) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if step != fleet.StepSettle || p.waits[node] {
		return false
	}
	p.waits[node] = true
	return true
}

// NodeEnded implements fleet.Observer.
func (p *Progress) NodeEnded(node string, phase fleet.Phase, err *fleet.NodeError) {
	p.forget(node)
	if err != nil {
		p.say("%s: %s: %s", node, endText(phase), err.Text)
		return
	}
	if phase == fleet.Unchanged || phase == fleet.Pending {
		p.redraw()
		return
	}
	p.say("%s: %s", node, endText(phase))
}

// endText is a phase in the words of the result, which alone knows of proofs.
func endText(phase fleet.Phase) string {
	if phase == fleet.Applied {
		return "changed"
	}
	return phaseText(fleet.NodeRun{Phase: phase})
}

// Close takes the live block away.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.live = false
}

// say writes a line that stays.
func (p *Progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.out.line(format, args...)
	p.draw()
}

func (p *Progress) redraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.draw()
}

func (p *Progress) erase() {
	if p.live && p.drawn > 0 {
		_, _ = fmt.Fprint(p.out.w, strings.Repeat("\x1b[1A\x1b[2K", p.drawn))
		p.drawn = 0
	}
}

func (p *Progress) draw() {
	if !p.live {
		return
	}
	for i, n := range p.order {
		if i == mostLive {
			p.out.line("  … and %d more", len(p.order)-mostLive)
			p.drawn++
			return
		}
		line := []rune(fmt.Sprintf("  %-18s %s", Clean(n), Clean(p.at[n])))
		if len(line) > 78 {
			line = append(line[:77], '…')
		}
		p.out.line("%s", string(line))
		p.drawn++
	}
}

func stepText(s protocol.Step) string {
	text := map[protocol.Step]string{
		fleet.StepConnect: "connecting", fleet.StepSettle: "waiting to ask what became of it", fleet.StepGate: "asking Kubernetes",
		protocol.StepLock: "taking the node's lock", protocol.StepRecover: "settling an interrupted run",
		protocol.StepObserve: "looking", protocol.StepStage: "staging files", protocol.StepCheck: "checking the candidate",
		protocol.StepBackup: "backing up", protocol.StepArm: "arming the dead man's switch", protocol.StepProbe: "pulling through the new endpoints",
		protocol.StepPlay: "playbook:", protocol.StepSwap: "swapping files", protocol.StepRestart: "restarting containerd",
		protocol.StepHealth: "checking CRI", protocol.StepProve: "pulling", protocol.StepLinger: "letting pulls in flight end with the old files",
		protocol.StepProven: "proven", protocol.StepRemove: "removing what is named no more",
		protocol.StepPull: "fetching", protocol.StepPulled: "image",
		protocol.StepCommit: "committing", protocol.StepUndo: "putting back", protocol.StepRestored: "put back",
	}[s]
	if text == "" {
		return string(s)
	}
	return text
}
