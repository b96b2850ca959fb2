package pullpolicy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Action is what is to be done with one workload.
type Action string

// The actions.
const (
	// Change its template.
	Change Action = "change"
	// Nothing is to be done: it is as wanted.
	Nothing Action = "nothing"
	// Refuse: it must not, or need not, be changed from here; the reason says why.
	Refuse Action = "refuse"
)

// Decision is what is to be done with one workload, and why.
type Decision struct {
	Action Action `json:"action"`
	// Containers whose policy is changed.
	Containers []Container `json:"containers,omitempty"`
	// Reason of a refusal or of nothing to do; Hint what a person can do about it.
	Reason string `json:"reason,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Notes are worth knowing and decide nothing.
	Notes []string `json:"notes,omitempty"`
	// Restarts counts pods that the change replaces.
	Restarts int `json:"restarts"`
	// waits: refused because of its pods, which may be well in a moment.
	waits bool
}

func refuse(reason, hint string) Decision {
	return Decision{Action: Refuse, Reason: reason, Hint: hint}
}

// Freeze decides whether a workload's Always becomes IfNotPresent. force lets
// workloads pass whose pods are not all available. Budgets and images are not
// looked at here: they may change while one waits.
func Freeze(w Workload, force bool) Decision {
	var always []Container
	for _, c := range w.Containers {
		if c.Policy == corev1.PullAlways {
			always = append(always, c)
		}
	}
	note, err := NoteOf(w)
	switch {
	case err == nil && len(always) == 0:
		return Decision{Action: Nothing, Reason: "it is frozen since run " + note.Run}
	case len(always) == 0:
		return Decision{Action: Nothing, Reason: "no container has Always"}
	case err == nil:
		return refuse(fmt.Sprintf("run %s froze it, and somebody set %s back to Always since", note.Run, containerNames(always)),
			"pullway policy restore "+w.Ref.String()+" ends that freeze; then freeze it again")
	case err != ErrNoNote:
		return refuse(err.Error(), "look at it, then remove it: kubectl annotate -n "+w.Namespace+" "+strings.ToLower(string(w.Kind))+" "+w.Name+" "+NoteKey+"-")
	}
	if d, no := mustNot(w, always); no {
		return d
	}
	r := w.Rollout
	if r.Waiting != "" && !force {
		return notWell(r, "wait until it is, or pass over it by --force: a rollout of pods that are not well may get stuck")
	}
	d := Decision{Action: Change, Containers: always}
	if r.Restarts {
		d.Restarts = r.Pods
	}
	if r.Note != "" {
		d.Notes = append(d.Notes, r.Note)
	}
	if r.Waiting != "" {
		d.Notes = append(d.Notes, "it is not well now: "+r.Waiting)
	}
	for _, e := range w.Managed {
		if e.Operation == metav1.ManagedFieldsOperationApply && strings.HasPrefix(e.Manager, "kubectl") {
			d.Notes = append(d.Notes, "kubectl apply --server-side of its manifest will report a conflict with \"pullway\" until it is restored")
		}
	}
	if _, ok := w.Annotations[corev1.LastAppliedConfigAnnotation]; ok {
		d.Notes = append(d.Notes, "kubectl apply of a manifest that says Always undoes the freeze; hold it back until the restore")
	}
	return d
}

func notWell(r Rollout, hint string) Decision {
	d := refuse("it is not well: "+r.Waiting, hint)
	d.waits = true
	return d
}

// mustNot refuses what cannot be changed, or not from here.
func mustNot(w Workload, always []Container) (Decision, bool) {
	if w.Static {
		return refuse("a static pod: a kubelet runs it from a file of its node, and the API shows a copy",
			"set imagePullPolicy in its file below /etc/kubernetes/manifests on the node"), true
	}
	if writer := WriterOf(w); writer != nil {
		var places []string
		for _, c := range always {
			places = append(places, w.place(c))
		}
		return refuse(writer.Name+" owns it and would set it back", fmt.Sprintf("change it %s: %s to IfNotPresent", writer.Instead, strings.Join(places, ", "))), true
	}
	switch w.Kind {
	case Pod:
		return refuse("a bare pod: the API lets nobody change the policy of a pod that exists", "delete it and create it with IfNotPresent, when a restart can be borne"), true
	case Job:
		return refuse("the pod template of a job cannot be changed", "let it end, or delete it and create it with IfNotPresent"), true
	}
	if manager := applier(w, always); manager != "" {
		return refuse(fmt.Sprintf("%q applies this policy by server-side apply and would set it back", manager), "set IfNotPresent where that program has its configuration"), true
	}
	switch {
	case w.Rollout.Paused:
		return refuse("it is paused: a change would take effect, and restart its pods, whenever somebody resumes it", "resume it first: kubectl rollout resume -n "+w.Namespace+" deployment "+w.Name), true
	case w.Rollout.Failed:
		return refuse("its last rollout failed: "+w.Rollout.Waiting, "repair or undo that rollout first"), true
	}
	return Decision{}, false
}

func containerNames(all []Container) string {
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// Write is what is sent to change one workload.
type Write struct {
	Ref  Ref
	Body []byte
	// Note that is written with it.
	Note Note
}

// FreezeWrite makes the server-side apply that freezes w as decided. run, operator
// and at go into the note.
func FreezeWrite(w Workload, d Decision, n Note) (Write, error) {
	n.Version, n.UID = NoteVersion, w.UID
	policies := map[Container]string{}
	for _, c := range d.Containers {
		n.Containers = append(n.Containers, Was{c.Name, c.Init, c.Image, c.Policy})
		policies[c] = string(Frozen)
	}
	holders, err := w.holders(d.Containers)
	if err != nil {
		return Write{}, fmt.Errorf("%s: %w", w.Ref, err)
	}
	n.Holders = holders
	text, err := n.text()
	if err != nil {
		return Write{}, err
	}
	body, err := w.applyBody(policies, text)
	return Write{w.Ref, body, n}, err
}

// Concerned reports whether a freeze has anything to say of w: a container has
// Always, or it is frozen.
func Concerned(w Workload) bool {
	_, noted := w.Annotations[NoteKey]
	return noted || slices.ContainsFunc(w.Containers, func(c Container) bool { return c.Policy == corev1.PullAlways })
}

// Distinct sorts workloads and drops what is there twice.
func Distinct(all []Workload) []Workload {
	slices.SortStableFunc(all, func(a, b Workload) int { return a.compare(b.Ref) })
	return slices.CompactFunc(all, func(a, b Workload) bool { return a.Ref == b.Ref })
}
