package pullpolicy

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// frozenWorkload is web with c0 frozen from Always, then changed.
func frozenWorkload(t *testing.T, change func(*appsv1.Deployment)) (Workload, Note) {
	t.Helper()
	before := deployment(nil, always)
	out, err := FreezeWrite(before, Freeze(before, false), Note{Run: "20261124T181502Z-4f2a", Operator: "ann@desk"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := out.Note.text()
	if err != nil {
		t.Fatal(err)
	}
	return deployment(func(d *appsv1.Deployment) {
		d.Annotations = map[string]string{NoteKey: text}
		d.ManagedFields = []metav1.ManagedFieldsEntry{applies(Manager, metav1.ManagedFieldsOperationApply)}
		if change != nil {
			change(d)
		}
	}, ifNotPresent), out.Note
}

func policy(d *appsv1.Deployment) *corev1.PullPolicy {
	return &d.Spec.Template.Spec.Containers[0].ImagePullPolicy
}

func TestRestore(t *testing.T) {
	by := func(manager string, to corev1.PullPolicy) func(*appsv1.Deployment) {
		return func(d *appsv1.Deployment) {
			*policy(d) = to
			d.ManagedFields = []metav1.ManagedFieldsEntry{applies(manager, metav1.ManagedFieldsOperationUpdate)}
		}
	}
	_, note := frozenWorkload(t, nil)
	another := note
	another.UID = "uid-2"
	for name, tc := range map[string]struct {
		change func(*appsv1.Deployment)
		kept   *Note
		force  bool
		action Action
		back   Back
		says   string
	}{
		"as it was frozen":      {action: Change, back: BackSet},
		"a restore was cut off": {change: func(d *appsv1.Deployment) { *policy(d) = always }, action: Change, back: BackThere},
		"somebody chose Never":  {change: by("kubectl-edit", never), action: Change, back: BackLeft, says: `somebody set it to Never meanwhile (field manager "kubectl-edit")`},
		"somebody set it back":  {change: by("kubectl-rollout", always), action: Change, back: BackLeft, says: "somebody set it to Always already"},
		"somebody wants it so, too": {change: func(d *appsv1.Deployment) {
			d.ManagedFields = append(d.ManagedFields, applies("kubectl", metav1.ManagedFieldsOperationApply))
		}, action: Change, back: BackLeft, says: "somebody wants IfNotPresent there now"},
		"another image meanwhile":  {change: func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "app:2" }, action: Change, back: BackSet, says: "is app:2 now"},
		"the container is gone":    {change: func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Name = "other" }, action: Change, back: BackLeft, says: "the container is gone"},
		"managed fields were cut":  {change: func(d *appsv1.Deployment) { d.ManagedFields = nil }, action: Change, back: BackSet},
		"no annotation, a record":  {change: func(d *appsv1.Deployment) { d.Annotations = nil }, kept: &note, action: Change, back: BackSet, says: "this machine's record"},
		"no annotation, no record": {change: func(d *appsv1.Deployment) { d.Annotations = nil }, action: Nothing, says: "it is not frozen"},
		"made anew":                {change: func(d *appsv1.Deployment) { d.Annotations = nil }, kept: &another, action: Nothing, says: "made anew"},
		"restored long ago": {change: func(d *appsv1.Deployment) {
			d.Annotations = nil
			by("kubectl-create", always)(d)
		}, kept: &note, action: Nothing, back: BackLeft, says: "not frozen any more"},
		"a copy":           {change: func(d *appsv1.Deployment) { d.UID = "uid-3" }, action: Refuse, says: "it came with a copy"},
		"damaged":          {change: func(d *appsv1.Deployment) { d.Annotations[NoteKey] = "{" }, action: Refuse, says: "is damaged"},
		"paused":           {change: func(d *appsv1.Deployment) { d.Spec.Paused = true }, action: Refuse, back: BackSet, says: "it is paused"},
		"not well":         {change: func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 2 }, action: Refuse, back: BackSet, says: "--force"},
		"not well, forced": {change: func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 2 }, force: true, action: Change, back: BackSet},
	} {
		w, _ := frozenWorkload(t, tc.change)
		r, _ := Restore(w, tc.kept, tc.force)
		text := strings.Join(append(r.Notes, r.Reason, r.Hint), "\n")
		var back Back
		if len(r.Each) == 1 {
			back = r.Each[0].Back
		}
		if r.Action != tc.action || back != tc.back || !strings.Contains(text, tc.says) {
			t.Errorf("%s: %+v, want %s %q that says %q", name, r, tc.action, tc.back, tc.says)
		}
	}
}

func TestParseNote(t *testing.T) {
	const good = `{"v":1,"run":"r","operator":"o","at":null,"uid":"u","containers":[{"name":"a","image":"i","was":"Always"}]}`
	if _, err := parseNote(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "another version": strings.Replace(good, `"v":1`, `"v":2`, 1), "no container": `{"v":1,"uid":"u"}`,
		"an unknown field": strings.Replace(good, `"v":1`, `"v":1,"x":1`, 1), "a policy that is never changed": strings.Replace(good, "Always", "Never", 1),
		"no policy": strings.Replace(good, "Always", "", 1), "twice the same": strings.Replace(good, `[{`, `[{"name":"a","image":"i","was":"Always"},{`, 1),
		"no name": strings.Replace(good, `"name":"a"`, `"name":""`, 1), "more behind it": good + "{}", "too long": strings.Repeat(" ", maxNote) + good,
	} {
		if _, err := parseNote(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzNote: an annotation is anybody's; what is believed of one can be written
// again, and never sets anything but Always.
func FuzzNote(f *testing.F) {
	f.Add(`{"v":1,"run":"r","operator":"o","at":"2026-11-24T18:15:02Z","uid":"u","containers":[{"name":"a","init":true,"image":"i","was":"Always"}],"holders":[{"manager":"m","operation":"Update","apiVersion":"apps/v1","containers":["a"]}]}`)
	f.Add(`{"v":1,"containers":[{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseNote(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line: %q", err)
			}
			return
		}
		for _, c := range n.Containers {
			if c.Policy != corev1.PullAlways {
				t.Errorf("%q sets %q", text, c.Policy)
			}
		}
		again, err := n.text()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseNote(again); err != nil {
			t.Errorf("%q, written again: %v", text, err)
		}
	})
}

// FuzzManagedFields: the fields of other managers are whatever they are.
func FuzzManagedFields(f *testing.F) {
	f.Add([]byte(`{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c0\"}":{".":{},"f:imagePullPolicy":{}}}}}}}`))
	f.Add([]byte(`{"k:{}":{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := deployment(func(d *appsv1.Deployment) {
			d.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m", Operation: "Apply", APIVersion: "apps/v1", FieldsV1: metav1.NewFieldsV1(string(raw))}}
		}, always)
		_ = Freeze(w, false)
		out, err := FreezeWrite(w, Decision{Containers: w.Containers}, Note{})
		if err != nil {
			return
		}
		if _, err := w.handedBack(out.Note.Holders, w.Containers); err != nil {
			t.Error(err)
		}
	})
}
