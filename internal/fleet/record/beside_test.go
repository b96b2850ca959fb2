package record

import (
	"os"
	"testing"
)

const besideID = "20261124T101502Z-4f2a"

// What stands beside a record is private, outlives the record's own writing, and
// never has another's name.
func TestBeside(t *testing.T) {
	s := Store{Dir: t.TempDir() + "/state"}
	if b, err := s.ReadBeside(besideID, "x.json"); b != nil || err != nil {
		t.Errorf("%q, %v of what is not there", b, err)
	}
	if err := s.WriteBeside(besideID, "x.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{s.folder(besideID): 0o700, s.Beside(besideID, "x.json"): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}
	if err := s.Save(&Run{ID: besideID}); err != nil {
		t.Fatal(err)
	}
	if b, err := s.ReadBeside(besideID, "x.json"); string(b) != "{}" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for range 2 {
		if err := s.DropBeside(besideID, "x.json"); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct{ id, name string }{{besideID, fileName}, {besideID, "../x"}, {"..", "x"}} {
		if _, err := s.CreateBeside(c.id, c.name); err == nil {
			t.Errorf("%v is written", c)
		}
	}
}
