package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamplesOfTheDocs loads every RegistryConfig that stands in a yaml block
// of the README or of docs.
func TestExamplesOfTheDocs(t *testing.T) {
	root := filepath.Join("..", "..")
	f := newFixture(t)
	src := f.sources()
	src.ReadFile = func(path string) ([]byte, error) { // any certificate will do
		switch filepath.Ext(path) {
		case ".pem", ".crt":
			return f.files["client.pem"], nil
		case ".key":
			return f.files["client.key"], nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	found := 0
	check := func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(b), "```yaml\n")[1:] {
			spec, _, _ := strings.Cut(block, "```")
			if !strings.Contains(spec, "kind: RegistryConfig") {
				continue
			}
			found++
			if _, err := Parse(t.Context(), []byte(spec), path, src, WithoutSecrets(), atTestNow()); err != nil {
				t.Errorf("%s: %v\n%s", path, err, spec)
			}
		}
	}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			check(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if readme := filepath.Join(root, "README.md"); exists(readme) {
		check(readme)
	}
	if found == 0 {
		t.Error("no example was found, so none was tested")
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
