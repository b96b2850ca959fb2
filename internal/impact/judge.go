package impact

// finding is the verdict on one image of one workload, before it is put in words.
// Of all its pods it keeps the worst.
type finding struct {
	image     int32
	container string
	kind      ContainerKind
	policy    Policy
	verdict   Verdict
	cause     Cause
	why       reason
	pull      pull
	secrets   bool
	nodeCount
}

// where is the situation of one container of a pod.
type where struct {
	owner    *Owner
	template int32
	state    State
	node     int32 // -1: not scheduled
	held     bool
	ended    bool
	// fresh: a pod to come, of a CronJob or of an owner that makes more.
	fresh bool
	// due: they come within the window. A CronJob that is not due starts later.
	due      bool
	recreate bool
}

// judge says what becomes of container j of a template there. It is the heart of
// the package, and never looks at the words.
func (w *world) judge(at where, j int) finding {
	t := &w.c.Templates[at.template]
	co := &t.Containers[j]
	im := w.byTemplate[at.template][j]
	f := finding{image: im, container: co.Name, kind: co.Kind, verdict: Safe, secrets: len(t.PullSecrets) > 0}
	img := &w.images[im]
	if img.bad != "" {
		f.policy = Policy(co.Policy)
		return f.as(FailsNow, Already, noName)
	}
	f.policy = EffectivePolicy(co.Policy, img.ref, w.c.AlwaysPull != "")
	f.count(w, t, at.owner.Namespace, img)
	if at.fresh {
		return w.judgeFresh(f, at, img)
	}
	f.pull = w.pullAt(im, at.node, f.secrets)
	present := at.held && !w.told.has(at.node) || at.node >= 0 && img.has.has(at.node) || at.node < 0 && f.lacking == 0
	if f.policy == Never {
		return w.judgeNever(f, at, present, at.held && !present && !(at.ended && runsOnce(t, co)))
	}
	bad, cause := f.pull.bad()
	backoff := at.state&Backoff != 0 && !at.held && !at.ended
	if !bad {
		switch {
		case backoff && f.pull.changed:
			return f.as(Safe, "", recovers)
		case backoff:
			return f.as(FailsNow, Already, failedAlready)
		case f.pull.bySecret:
			return f.as(Safe, "", bySecret)
		case !img.named:
			return f.as(Safe, "", untouched)
		}
		return f.as(Safe, "", pullWorks)
	}
	starting := !at.held && !at.ended && (at.state&Pending != 0 || backoff)
	needs := f.policy == Always || !present
	switch {
	case co.Kind == Ephemeral && at.held:
		return f.as(Safe, "", noneNeeded)
	case backoff: // it is so today
		return f.as(FailsNow, Already, waits)
	case starting && needs && (f.policy == Always || at.node >= 0 || f.lacking > 0):
		return f.as(FailsNow, cause, waits)
	case needs && at.recreate:
		return f.as(FailsNow, ByChange, recreated)
	case f.policy == Always && at.state&Crashing != 0 && co.Kind != Volume:
		return f.as(FailsNow, cause, crashes)
	case needs && !(at.ended && runsOnce(t, co)):
		why := pullsOnStart
		if f.policy != Always {
			why = gone
		}
		return f.as(FailsIfRestarted, cause, why)
	}
	return f.moves(at.owner, cause)
}

// runsOnce: the container of a pod that is never started again. What comes after it
// is a pod of its own, and may be anywhere.
func runsOnce(t *Template, c *Container) bool { return c.Kind == Main && t.RestartPolicy == "Never" }

// moves judges what has its image where it is.
func (f finding) moves(o *Owner, cause Cause) finding {
	switch {
	case o.stays():
		return f.as(Safe, "", neverMoves)
	case f.kind == Ephemeral:
		return f.as(Safe, "", noneNeeded)
	case f.lacking > 0:
		return f.as(FailsIfMoved, cause, lacksElse)
	case f.recheck > 0:
		return f.as(FailsIfMoved, cause, rechecked)
	}
	return f.as(Safe, "", onEveryNode)
}

// stays: its pods are bound to their nodes, or made by nobody again.
func (o *Owner) stays() bool {
	switch o.Kind {
	case "DaemonSet", "StaticPod", "Pod":
		return true
	}
	return false
}

// judgeNever judges what is never pulled; lost says that it runs on without its image.
func (w *world) judgeNever(f finding, at where, present, lost bool) finding {
	switch {
	case lost && f.kind != Ephemeral:
		return f.as(FailsIfRestarted, Already, goneNever)
	case at.state&NeverPull != 0 && !present, !present && !at.ended && at.node >= 0 && !w.vague.has(at.node):
		return f.as(FailsNow, Already, waitsForever)
	case at.owner.stays():
		return f.as(Safe, "", neverMoves)
	case f.lacking > 0:
		return f.as(FailsIfMoved, Already, lacksNever)
	}
	return f.as(Safe, "", onEveryNode)
}

// judgeFresh judges pods to come: those of a CronJob, and more of a workload that
// grows. They may start on any node that fits.
func (w *world) judgeFresh(f finding, at where, img *image) finding {
	soon := FailsNow
	why := grows
	if at.owner.Kind == "CronJob" {
		if why = startsSoon; !at.due {
			soon, why = FailsIfRestarted, laterRun
		}
	}
	if f.policy == Never {
		if f.lacking > 0 {
			return f.as(worst(soon, f.lacking == f.nodes), Already, lacksNever)
		}
		return f.as(Safe, "", onEveryNode)
	}
	f.pull = w.pullAt(f.image, -1, f.secrets)
	bad, cause := f.pull.bad()
	switch {
	case !bad && !img.named:
		return f.as(Safe, "", untouched)
	case !bad:
		return f.as(Safe, "", pullWorks)
	case f.policy == Always || f.lacking > 0:
		if f.policy != Always && f.lacking < f.nodes && soon != FailsNow {
			soon = FailsIfMoved
		}
		return f.as(soon, cause, why)
	case f.recheck > 0:
		return f.as(FailsIfMoved, cause, rechecked)
	}
	return f.as(Safe, "", onEveryNode)
}

// worst is v when every node lacks it, else that it depends on the node.
func worst(v Verdict, all bool) Verdict {
	if all {
		return v
	}
	return FailsIfMoved
}

// bad reports whether a pull counts as failing, and whether the change is the cause.
func (p *pull) bad() (bool, Cause) {
	switch {
	case p.outcome == works, p.outcome == unsure && !p.changed:
		return false, ""
	case p.changed:
		return true, ByChange
	}
	return true, Already
}

func (f finding) as(v Verdict, c Cause, why reason) finding {
	f.verdict, f.cause, f.why = v, c, why
	return f
}

// pullAt is what comes of a pull on a node. On no node in particular (-1) it is the
// worst of all.
func (w *world) pullAt(im, node int32, secrets bool) (p pull) {
	if node >= 0 {
		return w.pull(im, w.class[node], secrets)
	}
	for k := range w.classes {
		q := w.pull(im, int16(k), secrets)
		worse, _ := q.bad()
		if was, _ := p.bad(); k == 0 || worse && !was {
			p = q
		}
	}
	return p
}
