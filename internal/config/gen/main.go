// Command gen writes docs/reference/spec.md from the comments of api/v1alpha1.
// It is run by go generate in internal/config, or by hand from anywhere in the
// repository: go run ./internal/config/gen.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// The files that go in and come out, from the root of the repository.
const (
	typesFile   = "api/v1alpha1/types.go"
	exampleFile = "internal/config/testdata/good/full.yaml"
	pageFile    = "docs/reference/spec.md"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	root, err := findRoot(dir)
	if err != nil {
		return err
	}
	page, err := render(root)
	if err != nil {
		return err
	}
	out := filepath.Join(root, pageFile)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, page, 0o644)
}

// findRoot walks up to the folder that holds go.mod.
func findRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod above %q", dir)
		}
	}
}

// render makes the page from the files below root.
func render(root string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(root, typesFile))
	if err != nil {
		return nil, err
	}
	example, err := os.ReadFile(filepath.Join(root, exampleFile))
	if err != nil {
		return nil, err
	}
	s, err := readSpec(source)
	if err != nil {
		return nil, err
	}
	return s.page(string(example)), nil
}
