package trace

import (
	"fmt"
	"strings"
	"time"
)

// Outcome is what came of a real pull.
type Outcome string

// The values of Outcome.
const (
	Pulled  Outcome = "pulled"
	Failed  Outcome = "failed"
	NotMade Outcome = "not-made"
)

// Pull is a real pull of the image through CRI, beside what the trace says.
type Pull struct {
	Outcome Outcome `json:"outcome"`
	// Agrees: the pull shows what the verdict says, and the same image. It is absent
	// when none was made.
	Agrees *bool `json:"agrees,omitempty"`
	// Text is one line, Hint what to do about it.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	// Digest of what was pulled. Fresh: at least one layer was really fetched; one that
	// the node had already is not.
	Digest string        `json:"digest,omitempty"`
	Fresh  bool          `json:"fresh,omitempty"`
	Took   time.Duration `json:"took,omitempty"`
}

// Compare keeps a pull beside the verdict and says whether they agree. of is the
// daemon's reason where the pull failed, or why none was made.
func (t *Trace) Compare(p Pull, of string) {
	t.Pull = &p
	if p.Outcome == NotMade {
		p.Text = "not pulled: " + of
		t.Pull = &p
		return
	}
	served := t.Verdict != nil && t.Verdict.Served
	agrees := served == (p.Outcome == Pulled)
	switch {
	case p.Outcome == Pulled && !served:
		p.Text = "the image was pulled, where the trace says that nothing serves it"
		p.Hint = "pull secrets and content that the node has already make such a difference; otherwise please report it with -o json"
	case p.Outcome == Pulled && t.digest() != "" && t.digest() != p.Digest:
		agrees = false
		p.Text = fmt.Sprintf("another image was pulled than the trace saw: %s", p.Digest)
		p.Hint = "its name may have been moved in between; trace again"
	case p.Outcome == Pulled:
		p.Text = fmt.Sprintf("pulled in %s, as the trace says", p.Took.Round(time.Millisecond))
		if !p.Fresh {
			p.Text += "; its layers were not fetched, for the node has them"
		}
	case served:
		p.Text = "the pull failed, where the trace says that it is served: " + of
		if p.Hint == "" {
			p.Hint = "what answers may have changed in between; trace again, and look at journalctl -u containerd"
		}
	default:
		p.Text, p.Hint = "the pull failed, as the trace says: "+of, ""
	}
	p.Text = strings.TrimSuffix(p.Text, ".")
	p.Agrees = &agrees
	t.Pull = &p
}

// digest is what the image's name stands for, as the trace saw it.
func (t *Trace) digest() string {
	for _, h := range t.Hosts {
		if h.Answer != nil && h.Answer.Then == ThenServes {
			return h.Answer.Digest
		}
	}
	return ""
}
