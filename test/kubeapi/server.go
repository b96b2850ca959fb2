// Package kubeapi is an API server for tests: objects in memory, with the field
// management of the real one (its own code), resource versions, dry runs and JSON
// patches. It has no controllers: a test says what they do.
package kubeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// Server is an http.Handler. Its methods may be called by many goroutines.
type Server struct {
	mu      sync.Mutex
	objects map[string]runtime.Object
	version int
	// Controller is called, with the lock held, with each object that was written
	// and whose spec differs, to set what its controllers would.
	Controller func(object runtime.Object)
	// Before, when not nil, may answer in place of the server, and says whether it did.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// After, when not nil, is called after a write was kept and before it is answered;
	// true cuts the connection.
	After func(r *http.Request) bool
	// Writes are the writes that were kept, as "PATCH path".
	Writes []string
}

// New makes an empty server.
func New() *Server { return &Server{objects: map[string]runtime.Object{}, version: 100} }

// kinds by resource.
var kinds = map[string]string{"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet", "replicasets": "ReplicaSet",
	"cronjobs": "CronJob", "jobs": "Job", "pods": "Pod", "nodes": "Node", "poddisruptionbudgets": "PodDisruptionBudget"}

var converter = sync.OnceValue(func() managedfields.TypeConverter { return applyconfigurations.NewTypeConverter(scheme.Scheme) })

func manager(gvk schema.GroupVersionKind) (*managedfields.FieldManager, error) {
	return managedfields.NewDefaultFieldManager(converter(), scheme.Scheme, scheme.Scheme, scheme.Scheme, gvk, gvk.GroupVersion(), "", nil)
}

func key(resource, namespace, name string) string { return resource + "/" + namespace + "/" + name }

func resourceOf(kind string) string {
	for r, k := range kinds {
		if k == kind {
			return r
		}
	}
	return ""
}

// Create keeps an object, as the manager made it by a plain request; its uid is made
// of its name when it has none.
func (s *Server) Create(object runtime.Object, by string) error {
	return s.put(object, by, true)
}

// Update writes an object over the one that is there, as the manager.
func (s *Server) Update(object runtime.Object, by string) error {
	return s.put(object, by, false)
}

func (s *Server) put(object runtime.Object, by string, create bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gvks, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return err
	}
	object = object.DeepCopyObject()
	object.GetObjectKind().SetGroupVersionKind(gvks[0])
	m, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	k := key(resourceOf(gvks[0].Kind), m.GetNamespace(), m.GetName())
	live := s.objects[k]
	if create {
		if m.GetUID() == "" {
			m.SetUID(types.UID("uid-" + m.GetName()))
		}
		m.SetGeneration(1)
		if live, err = scheme.Scheme.New(gvks[0]); err != nil {
			return err
		}
		live.GetObjectKind().SetGroupVersionKind(gvks[0])
	}
	fields, err := manager(gvks[0])
	if err != nil {
		return err
	}
	if object, err = fields.Update(live, object, by); err != nil {
		return err
	}
	s.keep(k, live, object)
	return nil
}

// Apply is a server-side apply of the object by that manager, with force.
func (s *Server) Apply(object runtime.Object, by string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gvks, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return err
	}
	fields, err := manager(gvks[0])
	if err != nil {
		return err
	}
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	delete(raw, "status")
	applied := &unstructured.Unstructured{Object: raw}
	applied.SetGroupVersionKind(gvks[0])
	applied.SetManagedFields(nil)
	k := key(resourceOf(gvks[0].Kind), applied.GetNamespace(), applied.GetName())
	live := s.objects[k]
	if live == nil {
		return fmt.Errorf("no %s", k)
	}
	made, err := fields.Apply(live.DeepCopyObject(), applied, by, true)
	if err != nil {
		return err
	}
	s.keep(k, live, made)
	return nil
}

// keep stores what came of a write.
func (s *Server) keep(k string, live, object runtime.Object) {
	m, _ := meta.Accessor(object)
	if specOf(live) != specOf(object) {
		m.SetGeneration(m.GetGeneration() + 1)
		if s.Controller != nil {
			s.Controller(object)
		}
	}
	s.version++
	m.SetResourceVersion(strconv.Itoa(s.version))
	s.objects[k] = object
}

func specOf(o runtime.Object) string {
	b, _ := json.Marshal(o)
	var all struct{ Spec json.RawMessage }
	_ = json.Unmarshal(b, &all)
	return string(all.Spec)
}

// Get gives a copy of an object; nil for none.
func (s *Server) Get(resource, namespace, name string) runtime.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[key(resource, namespace, name)]; o != nil {
		return o.DeepCopyObject()
	}
	return nil
}

// Delete forgets an object.
func (s *Server) Delete(resource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key(resource, namespace, name))
}

// Touch changes an object behind everybody's back, without managed fields.
func (s *Server) Touch(resource, namespace, name string, f func(runtime.Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.objects[key(resource, namespace, name)])
	s.version++
	m, _ := meta.Accessor(s.objects[key(resource, namespace, name)])
	m.SetResourceVersion(strconv.Itoa(s.version))
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Before != nil && s.Before(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resource, namespace, name := route(r.URL.Path)
	switch {
	case kinds[resource] == "":
		fail(w, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name))
	case r.Method == http.MethodGet && name == "":
		s.list(w, r, resource, namespace)
	case r.Method == http.MethodGet:
		if o := s.objects[key(resource, namespace, name)]; o != nil {
			answer(w, o)
			return
		}
		fail(w, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name))
	case r.Method == http.MethodPatch:
		object, err := s.patch(r, resource, namespace, name)
		if err != nil {
			fail(w, err)
			return
		}
		if r.URL.Query().Get("dryRun") == "" {
			s.Writes = append(s.Writes, r.Method+" "+r.URL.Path)
			if s.After != nil && s.After(r) {
				panic(http.ErrAbortHandler)
			}
		}
		answer(w, object)
	default:
		fail(w, apierrors.NewMethodNotSupported(schema.GroupResource{Resource: resource}, r.Method))
	}
}

// route takes /apis/GROUP/VERSION/namespaces/NS/RESOURCE/NAME apart.
func route(path string) (resource, namespace, name string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	from := 3
	if parts[0] == "api" {
		from = 2
	}
	if len(parts) <= from {
		return "", "", ""
	}
	parts = parts[from:]
	if parts[0] == "namespaces" && len(parts) > 2 {
		namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 1 {
		name = parts[1]
	}
	return parts[0], namespace, name
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, resource, namespace string) {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		fail(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	var names []string
	for k, o := range s.objects {
		m, _ := meta.Accessor(o)
		if strings.HasPrefix(k, resource+"/") && (namespace == "" || m.GetNamespace() == namespace) && selector.Matches(labels.Set(m.GetLabels())) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	gv := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/"), "/api/")
	gv, _, _ = strings.Cut(gv, "/"+resource)
	gv, _, _ = strings.Cut(gv, "/namespaces")
	items := []runtime.Object{}
	for _, k := range names {
		items = append(items, s.objects[k])
	}
	answer(w, map[string]any{"kind": kinds[resource] + "List", "apiVersion": gv, "metadata": map[string]string{}, "items": items})
}

func (s *Server) patch(r *http.Request, resource, namespace, name string) (runtime.Object, error) {
	gr := schema.GroupResource{Resource: resource}
	k := key(resource, namespace, name)
	live := s.objects[k]
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if live == nil {
		return nil, apierrors.NewNotFound(gr, name)
	}
	gvk := live.GetObjectKind().GroupVersionKind()
	fields, err := manager(gvk)
	if err != nil {
		return nil, err
	}
	by := r.URL.Query().Get("fieldManager")
	before, _ := meta.Accessor(live)
	var object runtime.Object
	switch r.Header.Get("Content-Type") {
	case string(types.ApplyPatchType):
		applied := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(body, &applied.Object); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if object, err = fields.Apply(live.DeepCopyObject(), applied, by, r.URL.Query().Get("force") == "true"); err != nil {
			return nil, err
		}
		if rv := applied.GetResourceVersion(); rv != "" && rv != before.GetResourceVersion() {
			return nil, apierrors.NewConflict(gr, name, errors.New("the object has been modified"))
		}
		if uid := applied.GetUID(); uid != "" && uid != before.GetUID() {
			return nil, apierrors.NewConflict(gr, name, errors.New("the uid is another one"))
		}
	case string(types.JSONPatchType):
		if object, err = jsonPatched(live, body); err != nil {
			return nil, apierrors.NewInvalid(gvk.GroupKind(), name, nil)
		}
		after, _ := meta.Accessor(object)
		if after.GetResourceVersion() != before.GetResourceVersion() {
			return nil, apierrors.NewConflict(gr, name, errors.New("the object has been modified"))
		}
		if object, err = fields.Update(live.DeepCopyObject(), object, by); err != nil {
			return nil, err
		}
	default:
		return nil, apierrors.NewBadRequest("no such patch")
	}
	if r.URL.Query().Get("dryRun") == "" {
		s.keep(k, live, object)
	}
	return object, nil
}

func jsonPatched(live runtime.Object, body []byte) (runtime.Object, error) {
	patch, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(live)
	if err != nil {
		return nil, err
	}
	if b, err = patch.Apply(b); err != nil {
		return nil, err
	}
	object, err := scheme.Scheme.New(live.GetObjectKind().GroupVersionKind())
	if err != nil {
		return nil, err
	}
	return object, json.Unmarshal(b, object)
}

func answer(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func fail(w http.ResponseWriter, err error) {
	status := apierrors.NewInternalError(err)
	if e, ok := err.(*apierrors.StatusError); ok {
		status = e
	}
	out := status.Status()
	out.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(out.Code))
	_ = json.NewEncoder(w).Encode(out)
}
