package pullpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NoteKey is the annotation that says, on the object itself, what its policies were.
const NoteKey = "pullway.dev/pull-policy"

// Frozen is what a policy is changed to.
const Frozen = corev1.PullIfNotPresent

// Note is what a workload had before. It is written with the change itself, in one
// request, so that there is never one without the other.
type Note struct {
	// Version of this form; NoteVersion.
	Version int `json:"v"`
	// Run that made the change, by whom and when.
	Run      string      `json:"run"`
	Operator string      `json:"operator"`
	At       metav1.Time `json:"at"`
	// UID of the object: a note that came with a copy of its manifest is not believed.
	UID        string `json:"uid"`
	Containers []Was  `json:"containers"`
	// Holders had these policies in managedFields.
	Holders []Holder `json:"holders,omitempty"`
}

// NoteVersion is the present form of a Note.
const NoteVersion = 1

// Was is what one container had.
type Was struct {
	Name   string            `json:"name"`
	Init   bool              `json:"init,omitempty"`
	Image  string            `json:"image"`
	Policy corev1.PullPolicy `json:"was"`
}

// ErrNoNote means that the object has no note.
var ErrNoNote = errors.New("it has no note of Pullway")

// maxNote is the largest annotation that a Kubernetes object can have, in bytes.
const maxNote = 256 << 10

// NoteOf reads the note of an object. The error is ErrNoNote, or says why the note
// is not to be believed.
func NoteOf(w Workload) (Note, error) {
	text, ok := w.Annotations[NoteKey]
	if !ok {
		return Note{}, ErrNoNote
	}
	n, err := parseNote(text)
	if err != nil {
		return Note{}, fmt.Errorf("its annotation %s %w", NoteKey, err)
	}
	if n.UID != w.UID {
		return Note{}, fmt.Errorf("its annotation %s is of another object, uid %q: it came with a copy", NoteKey, n.UID)
	}
	return n, nil
}

func parseNote(text string) (Note, error) {
	if len(text) > maxNote {
		return Note{}, fmt.Errorf("has %d bytes", len(text))
	}
	var n Note
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&n); err != nil {
		return Note{}, fmt.Errorf("is damaged: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Note{}, errors.New("is damaged: something stands behind it")
	}
	return n, n.check()
}

func (n Note) check() error {
	if n.Version != NoteVersion {
		return fmt.Errorf("has version %d; this Pullway reads %d", n.Version, NoteVersion)
	}
	if len(n.Containers) == 0 {
		return errors.New("is damaged: it names no container")
	}
	var seen []string
	for _, c := range n.Containers {
		if c.Name == "" || slices.Contains(seen, c.Name) {
			return fmt.Errorf("is damaged: container %q is there twice or has no name", c.Name)
		}
		if c.Policy != corev1.PullAlways {
			return fmt.Errorf("is damaged: container %q is said to have had %q, which is never changed", c.Name, c.Policy)
		}
		seen = append(seen, c.Name)
	}
	return nil
}

func (n Note) text() (string, error) {
	b, err := json.Marshal(n)
	return string(b), err
}
