//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pullway/pullway/test/agreement"
	"github.com/pullway/pullway/test/rules"
)

// pullway is the path of the command line under test, with its engines inside.
var pullway string

// noAnsible is a PATH with all that this machine has but for ansible-inventory. A second
// of its Python in each of some hundred command lines makes these tests a fifth slower.
var noAnsible string

func TestMain(m *testing.M) {
	if addr := os.Getenv(dripEnv); addr != "" {
		fmt.Fprintln(os.Stderr, "e2e:", dripRegistry(addr))
		os.Exit(1)
	}
	if addr := os.Getenv(slowEnv); addr != "" {
		fmt.Fprintln(os.Stderr, "e2e:", slowWay(addr))
		os.Exit(1)
	}
	if dir := os.Getenv(rulesEnv); dir != "" {
		fmt.Fprintln(os.Stderr, "e2e:", rules.Serve(dir, func() { fmt.Println("ready") }))
		os.Exit(1)
	}
	if dir := os.Getenv(agreementEnv); dir != "" {
		fmt.Fprintln(os.Stderr, "e2e:", agreement.Serve(dir, func() { fmt.Println("ready") }))
		os.Exit(1)
	}
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "pullway-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	pullway = filepath.Join(dir, "pullway")
	for _, args := range [][]string{
		{"run", "./internal/engine/pack"},
		{"build", "-o", pullway, "./cmd/pullway"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("go %v: %w: %s", args, err, out)
		}
	}
	noAnsible = filepath.Join(dir, "bin")
	if err := linkPath(noAnsible, "ansible-inventory"); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// linkPath makes a folder with a link to every program in PATH, the first of each name,
// without one.
func linkPath(dir, but string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, d := range filepath.SplitList(os.Getenv("PATH")) {
		entries, err := os.ReadDir(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if e.Name() == but {
				continue
			}
			if err := os.Symlink(filepath.Join(d, e.Name()), filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
	}
	return nil
}
