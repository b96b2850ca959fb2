package pullpolicy

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Manager is the field manager of everything that Pullway writes to a workload.
const Manager = "pullway"

// Holder is a manager that had the policy of some containers before it was changed,
// and lost it to us by that. It gets them back.
type Holder struct {
	Manager     string                            `json:"manager"`
	Operation   metav1.ManagedFieldsOperationType `json:"operation"`
	APIVersion  string                            `json:"apiVersion"`
	Subresource string                            `json:"subresource,omitempty"`
	// Time of its last write, which is not ours to change.
	Time *metav1.Time `json:"time,omitempty"`
	// Containers by name; names are unique among init and other containers.
	Containers []string `json:"containers"`
}

func (h Holder) is(e metav1.ManagedFieldsEntry) bool {
	return h.Manager == e.Manager && h.Operation == e.Operation && h.APIVersion == e.APIVersion && h.Subresource == e.Subresource
}

// path of a container's policy among the fields of the object.
func (w Workload) path(c Container) fieldpath.Path {
	var p fieldpath.Path
	for _, name := range append(w.Kind.specPath(), c.list()) {
		p = append(p, fieldpath.PathElement{FieldName: &name})
	}
	key := value.FieldList{{Name: "name", Value: value.NewValueInterface(c.Name)}}
	policy := "imagePullPolicy"
	return append(p, fieldpath.PathElement{Key: &key}, fieldpath.PathElement{FieldName: &policy})
}

func fieldsOf(e metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	if e.FieldsV1 == nil {
		return set, nil
	}
	if err := set.FromJSON(e.FieldsV1.GetRawReader()); err != nil {
		return nil, fmt.Errorf("managedFields of %q: %w", e.Manager, err)
	}
	return set, nil
}

// holders are those who have the policies of the containers now.
func (w Workload) holders(containers []Container) ([]Holder, error) {
	var all []Holder
	for _, e := range w.Managed {
		if e.Manager == Manager {
			continue
		}
		set, err := fieldsOf(e)
		if err != nil {
			return nil, err
		}
		h := Holder{Manager: e.Manager, Operation: e.Operation, APIVersion: e.APIVersion, Subresource: e.Subresource, Time: e.Time}
		for _, c := range containers {
			if set.Has(w.path(c)) {
				h.Containers = append(h.Containers, c.Name)
			}
		}
		if len(h.Containers) > 0 {
			all = append(all, h)
		}
	}
	return all, nil
}

// ours reports whether the policy of c is what our server-side apply said, and
// nobody else has said it since.
func (w Workload) ours(c Container) (ours bool, other string) {
	for _, e := range w.Managed {
		set, err := fieldsOf(e)
		if err != nil || !set.Has(w.path(c)) {
			continue
		}
		if e.Manager == Manager {
			ours = true
		} else {
			other = e.Manager
		}
	}
	return ours && other == "", other
}

// handedBack is managedFields without us, and with what the holders had. given
// names the containers whose policy was restored; what of the others they had is
// lost to whoever changed it.
func (w Workload) handedBack(holders []Holder, given []Container) ([]metav1.ManagedFieldsEntry, error) {
	out := slices.DeleteFunc(slices.Clone(w.Managed), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == Manager })
	for _, h := range holders {
		i := slices.IndexFunc(out, h.is)
		if i < 0 {
			out = append(out, metav1.ManagedFieldsEntry{Manager: h.Manager, Operation: h.Operation, APIVersion: h.APIVersion, Subresource: h.Subresource,
				Time: h.Time, FieldsType: "FieldsV1"})
			i = len(out) - 1
		}
		set, err := fieldsOf(out[i])
		if err != nil {
			return nil, err
		}
		before := set.Size()
		for _, c := range given {
			if slices.Contains(h.Containers, c.Name) {
				set.Insert(w.path(c))
			}
		}
		switch raw, err := set.ToJSON(); {
		case err != nil:
			return nil, fmt.Errorf("managedFields of %q: %w", h.Manager, err)
		case set.Empty():
			out = slices.Delete(out, i, i+1)
		case set.Size() != before:
			out[i].FieldsV1 = metav1.NewFieldsV1(string(raw))
		}
	}
	return out, nil
}

// applyBody is a server-side apply of those policies, of our note, and of nothing
// else. It fails when the object is another one by now, or has changed.
func (w Workload) applyBody(policies map[Container]string, note string) ([]byte, error) {
	lists := map[string]any{}
	for _, init := range []bool{true, false} {
		var items []any
		for _, c := range w.Containers {
			if policy, ok := policies[c]; ok && c.Init == init {
				items = append(items, map[string]any{"name": c.Name, "imagePullPolicy": policy})
			}
		}
		if len(items) > 0 {
			lists[Container{Init: init}.list()] = items
		}
	}
	var spec any = lists
	path := w.Kind.specPath()
	for i := len(path) - 1; i > 0; i-- {
		spec = map[string]any{path[i]: spec}
	}
	return json.Marshal(map[string]any{
		"apiVersion": w.Kind.APIVersion(), "kind": w.Kind, "spec": spec,
		"metadata": map[string]any{"namespace": w.Namespace, "name": w.Name, "uid": w.UID, "resourceVersion": w.ResourceVersion,
			"annotations": map[string]string{NoteKey: note}},
	})
}

// leaveBody is a JSON patch that takes our note and ourselves away and gives their
// fields back to the holders. It changes no value, so that it restarts nothing.
func (w Workload) leaveBody(managed []metav1.ManagedFieldsEntry) ([]byte, error) {
	if len(managed) == 0 { // an empty list would be put right by the server
		managed = []metav1.ManagedFieldsEntry{{}}
	}
	patch := []map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": w.UID},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": w.ResourceVersion},
		{"op": "replace", "path": "/metadata/managedFields", "value": managed},
	}
	if _, ok := w.Annotations[NoteKey]; ok {
		path := "/metadata/annotations"
		if len(w.Annotations) > 1 {
			path += "/pullway.dev~1pull-policy"
		}
		patch = append(patch, map[string]any{"op": "remove", "path": path})
	}
	return json.Marshal(patch)
}

// now is for notes, to the second, as the API keeps times.
func stamp(t time.Time) metav1.Time { return metav1.NewTime(t.UTC().Truncate(time.Second)) }
