package record

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzRef: what a person types for a run never leads out of the folder of runs.
func FuzzRef(f *testing.F) {
	id := NewID(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for _, s := range []string{id, "last", "2026", "", "../../etc", id + "/../..", id + "\n", "/", "\x00"} {
		f.Add(s)
	}
	dir := f.TempDir()
	s := Store{Dir: dir}
	if err := os.MkdirAll(s.folder(id), 0o700); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.folder(id), fileName), []byte(`{"schema":1,"id":"`+id+`"}`), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		if run, err := s.Get(ref); err == nil && run.ID != id {
			t.Fatalf("Get(%q) = %q", ref, run.ID)
		}
		if ValidID(ref) && filepath.Dir(s.folder(ref)) != s.runs() {
			t.Fatalf("%q is in %s", ref, s.folder(ref))
		}
	})
}

// FuzzHolder: the lock file is another process's.
func FuzzHolder(f *testing.F) {
	f.Add([]byte(`{"operator":"ann@desk","pid":7,"run":"x","command":"apply","since":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte("\x00"))
	f.Add([]byte(`{"operator":"\u001b[2J\n"}`))
	path := filepath.Join(f.TempDir(), "lock")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close() //nolint:errcheck // read only
		e := &HeldError{Path: path, Holder: readHolder(file)}
		for _, r := range e.Error() {
			if r == '\n' || r == '\x1b' {
				t.Fatalf("not one line: %q", e.Error())
			}
		}
	})
}
