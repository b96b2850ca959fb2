package impact

import (
	"fmt"
	"strings"
)

// inWords puts one finding into words.
func (w *world) inWords(f *finding) Image {
	img := &w.images[f.image]
	im := Image{
		Container: f.container, Kind: f.kind.String(), Ref: img.text, Policy: f.policy,
		Verdict: f.verdict, Cause: f.cause, Reason: w.reason(f), Do: w.remedy(f),
		Nodes: f.nodes, Lacking: f.lacking, Unknown: f.unknown,
		Before: f.pull.before, After: f.pull.after, PullSecrets: f.secrets, Rule: f.why.String(),
	}
	if f.why.pulls() {
		im.Pull = w.failure(f)
	}
	return im
}

// pulls: the reason has two parts, and the second is why a pull fails.
func (r reason) pulls() bool {
	switch r {
	case pullsOnStart, gone, waits, crashes, recreated, startsSoon, laterRun, grows, lacksElse, rechecked:
		return true
	}
	return false
}

// reason says in one line why the verdict is what it is.
func (w *world) reason(f *finding) string {
	img := &w.images[f.image]
	switch f.why {
	case noneNeeded:
		return "an ephemeral container is never started again"
	case pullWorks:
		return "the endpoints of the specification serve its image"
	case untouched:
		return fmt.Sprintf("the specification says nothing of %s, so its pulls stay as they are", img.ref.Host)
	case bySecret:
		return "the registry wants a credential, and the pod has a pull secret of its own, which was not tried"
	case onEveryNode:
		if f.nodes == 0 {
			return "there is no other node where it could go now"
		}
		return fmt.Sprintf("its image is on each of the %s where it could go", nodes(f.nodes))
	case neverMoves:
		return "its image is on its node, and its pods do not move"
	case pullsOnStart:
		return fmt.Sprintf("it pulls at each start (%s), and %s", f.policy, w.failure(f))
	case goneNever:
		return "its policy is Never, and its image is not on its node any more"
	case gone:
		return "its image is not on its node any more, and " + w.failure(f)
	case waits:
		return "it waits for its image now, and " + w.failure(f)
	case waitsForever:
		return "its policy is Never, and its image is not on its node"
	case noName:
		return "its image is no reference: " + img.bad
	case crashes:
		return fmt.Sprintf("it crashes and pulls at each start (%s), and %s", f.policy, w.failure(f))
	case recreated:
		return "the restart of containerd recreates its pods, and " + w.failure(f)
	case startsSoon:
		return "it starts within the window, and " + w.failure(f)
	case laterRun:
		return "its next run needs the image, and " + w.failure(f)
	case grows:
		return "more of its pods are about to start, and " + w.failure(f)
	case lacksElse:
		return fmt.Sprintf("%d of %s where it could go %s, and %s", f.lacking, nodes(f.nodes), lackVerb(f), w.failure(f))
	case lacksNever:
		return fmt.Sprintf("its policy is Never, and %d of %s where it could go %s", f.lacking, nodes(f.nodes), lackVerb(f))
	case rechecked:
		return fmt.Sprintf("on %d of %s where it could go the kubelet asks the registry about its credential (1.35 and later), and %s", f.recheck, nodes(f.nodes), w.failure(f))
	case failedAlready:
		return "it waits for its image already, and its endpoints stay as they are"
	case recovers:
		return "it waits for its image now, and the new endpoints serve it"
	}
	return ""
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

func lackVerb(f *finding) string {
	switch f.unknown {
	case 0:
		return "lack its image"
	case f.lacking:
		return "may lack its image (their status names 50 images only)"
	}
	return fmt.Sprintf("lack its image (%d of them are not sure: their status names 50 images only)", f.unknown)
}

// failure says why a pull would fail.
func (w *world) failure(f *finding) string {
	switch {
	case f.pull.outcome == unsure:
		return "whether a pull works is not known: " + f.pull.why
	case f.pull.why == "":
		return "a pull fails"
	}
	return "a pull fails: " + f.pull.why
}

// remedy says what to do about it; empty for what is safe.
func (w *world) remedy(f *finding) string {
	push := "make " + strings.Join(f.pull.after, " or ") + " answer"
	if len(f.pull.lacking) > 0 {
		push = "put the image into " + strings.Join(f.pull.lacking, " or ")
	}
	switch f.why {
	case noName:
		return "correct the image in its owner"
	case waitsForever, lacksNever, goneNever:
		return "pull the image to the nodes that lack it, or bind the pods to those that have it"
	case failedAlready:
		return "kubectl describe pod tells why; the change has nothing to do with it"
	case rechecked:
		return "give the pods the pull secret that the image was pulled with, or " + push
	case pullsOnStart, crashes, recreated, waits, gone, startsSoon, laterRun, grows, lacksElse:
		if f.pull.outcome == unsure {
			return "have the registry asked: from here, or from the nodes by -i"
		}
		switch {
		case f.policy == Always:
			return push + " first; else have the image on the nodes and the policy IfNotPresent meanwhile"
		case f.why == lacksElse:
			return push + " first, or pull the image to those nodes beforehand"
		}
		return push + " first"
	}
	return ""
}
