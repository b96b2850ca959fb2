package node

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/trace"
)

const (
	// whyWithin bounds all traces that explain the failed pulls of a verify, and
	// whyBeforeUndo the one of a change: the undo waits for it.
	whyWithin     = 20 * time.Second
	whyBeforeUndo = 5 * time.Second
	// maxWhys is how many pulls of one request are explained.
	maxWhys = 3
)

// explainer says why a pull failed that was to prove something: by a trace of what
// was pulled, made while the files by which it was pulled are there. It never
// fails: without an explanation the pull's own error has to do. A nil one has none.
type explainer struct {
	// trace follows the pull of one image; it is told of as shown. It is ended by its
	// context, and left alone when it does not heed that.
	trace func(ctx context.Context, pulled, shown config.Image, within time.Duration) *trace.Trace
	// left is the time for all that is still to come.
	left time.Duration
	made []explained
}

// explained is a pull that was looked into; its image is empty when that told nothing.
// Another one failed the same way when its key is the same.
type explained struct{ image, key string }

// explainerOf makes traces by what is on the disk at that moment.
func explainerOf(o *observation, within time.Duration) *explainer {
	return &explainer{left: within, trace: func(ctx context.Context, pulled, shown config.Image, within time.Duration) *trace.Trace {
		return traceNow(ctx, o, pulled, shown, within)
	}}
}

// traceNow is the trace of an image by the files as they are now.
func traceNow(ctx context.Context, o *observation, pulled, shown config.Image, within time.Duration) *trace.Trace {
	tree, err := configtoml.Load(osSource{}, o.ConfigFile, o.Release)
	if err != nil {
		return nil
	}
	t, ways := trace.Order(os.DirFS("/"), tree, pulled)
	t.Image = shown.String()
	// Hosts that do not answer shall leave time for those behind them.
	each := within * 4 / 5 / time.Duration(max(1, len(ways)))
	opt := registry.Options{Timeout: each}
	opt.ProxyOf, _ = o.proxy() // without it the trace is worth less, and worth having
	AskHosts(ctx, t, ways, pulled, opt, func(string) {})
	return t
}

// of explains a proof that failed: pulled is what was asked of containerd for it,
// the probe's name or the image's own. It is nil where there is nothing to say.
func (x *explainer) of(ctx context.Context, proof protocol.Proof, pulled, shown config.Image) *protocol.Why {
	if x == nil || proof.OK || ctx.Err() != nil {
		return nil
	}
	key := sameWay(proof.Error, pulled, shown)
	for _, before := range x.made {
		switch {
		case before.key == key && before.image == "":
			return nil
		case before.key == key:
			return &protocol.Why{SameAs: before.image}
		}
	}
	if x.left <= 0 || len(x.made) == maxWhys {
		return nil
	}
	w := x.look(ctx, pulled, shown)
	done := explained{key: key}
	if w != nil {
		done.image = proof.Image
	}
	x.made = append(x.made, done)
	return w
}

// look makes a trace and says what it found.
func (x *explainer) look(ctx context.Context, pulled, shown config.Image) *protocol.Why {
	within, began := x.left, time.Now()
	t, ended := x.bounded(ctx, pulled, shown, within)
	x.left -= time.Since(began)
	switch {
	case ctx.Err() != nil:
		return nil // the change is being taken back, or nobody listens any more
	case !ended:
		return &protocol.Why{Text: fmt.Sprintf("A trace of %s came to no end within %s.", shown, within.Round(time.Millisecond))}
	case t == nil || t.Verdict == nil:
		return nil
	}
	return whyOf(t, shown)
}

// bounded makes a trace that costs no more than the time given, whatever becomes of
// it: an undo may be waiting.
func (x *explainer) bounded(ctx context.Context, pulled, shown config.Image, within time.Duration) (t *trace.Trace, ended bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	done := make(chan *trace.Trace, 1)
	go func() {
		var t *trace.Trace
		// What strange answers and files can do to a trace must not stop an undo.
		defer func() { _ = recover(); done <- t }()
		t = x.trace(ctx, pulled, shown, within)
	}()
	select {
	case t = <-done:
		// One that was cut off does not say what the hosts said.
		return t, ctx.Err() == nil
	case <-ctx.Done():
		return nil, false
	}
}

// whyOf puts a trace into one sentence.
func whyOf(t *trace.Trace, image config.Image) *protocol.Why {
	v := t.Verdict
	w := &protocol.Why{Served: v.Served, Host: v.By, Text: v.Text, Hint: v.Hint}
	if v.Served {
		w.Text = fmt.Sprintf("A trace now finds that %s: the failure may have passed, or is the node's own.", strings.TrimSuffix(v.Text, "."))
		return own(w, image)
	}
	// The host that the sentence names first; of two that begin alike the longer one.
	first := len(v.Text)
	for _, h := range t.Hosts {
		if i := strings.Index(v.Text, h.URL); h.Answer != nil && i >= 0 && (i < first || i == first && len(h.URL) > len(w.Host)) {
			first, w.Host = i, h.URL
		}
	}
	return own(w, image)
}

// own names the image's own host where the trace saw the probe's, which is gone in a
// moment.
func own(w *protocol.Why, image config.Image) *protocol.Why {
	w.Text, w.Hint = strings.ReplaceAll(w.Text, ProbeHost, image.Host), strings.ReplaceAll(w.Hint, ProbeHost, image.Host)
	return w
}

// sameWay is alike for the failed pulls of two images of one registry that failed for
// the same reason: the text of the error without what is of the one image.
func sameWay(text string, pulled, shown config.Image) string {
	for _, i := range []config.Image{pulled, shown} {
		parts := []string{i.Path, "manifests/" + i.Tag, "manifests " + i.Tag, ":" + i.Tag}
		if i.Digest != "" {
			parts = []string{i.Path, i.Digest}
		}
		for _, part := range parts {
			text = strings.ReplaceAll(text, part, "…")
		}
	}
	return shown.Host + " " + text
}
