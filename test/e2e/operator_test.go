//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

// The lab's registry as the guide has it, its credential, and what is pulled.
const (
	harborURL = "http://192.168.21.9"
	robot     = "robot$nodes"
	secret1   = "robot-secret-1"
	image     = "192.168.21.9/library/test-image:latest"
	appImage  = "192.168.21.9/team/app:v1"
)

// operator is a person with a pullway, a spec and an inventory: a home, a state
// folder and an environment of their own.
type operator struct {
	t   *testing.T
	lab *lab.Lab
	dir string
	env map[string]string
	// nodes are the flags that name the nodes.
	nodes []string
}

// newOperator makes one without ansible-inventory, so that Pullway reads the inventory by itself.
func newOperator(t *testing.T, l *lab.Lab) *operator {
	t.Helper()
	dir := t.TempDir()
	return &operator{t: t, lab: l, dir: dir, nodes: []string{"-i", l.Inventory()},
		env: map[string]string{"PATH": noAnsible, "HOME": dir, "PULLWAY_STATE_DIR": filepath.Join(dir, "state"), "HARBOR_PASSWORD": secret1}}
}

// newAnsibleOperator makes one who has it, so that Pullway asks it.
func newAnsibleOperator(t *testing.T, l *lab.Lab) *operator {
	t.Helper()
	o := newOperator(t, l)
	o.env["PATH"] = os.Getenv("PATH")
	return o
}

// file writes a file of the operator's and gives its path.
func (o *operator) file(name, text string) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// result of one command line.
type result struct {
	args     []string
	code     int
	out, err string
	took     time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("pullway %s: exit code %d after %s\n--- stdout\n%s\n--- stderr\n%s", strings.Join(r.args, " "), r.code, r.took.Round(time.Millisecond), head(r.out), head(r.err))
}

// head is the start of a text that may be long.
func head(s string) string {
	if most := 2000; len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// prepare makes the command without starting it.
func (o *operator) prepare(ctx context.Context, args ...string) *exec.Cmd {
	cmd := o.lab.Command(ctx, pullway, args...)
	cmd.Dir = o.dir
	cmd.Env = []string{"LANG=C.UTF-8"}
	for k, v := range o.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// run runs one command line to its end.
func (o *operator) run(args ...string) result {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := o.prepare(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatal(err)
	}
	return result{args, cmd.ProcessState.ExitCode(), out.String(), errs.String(), time.Since(start)}
}

// on runs a command that touches nodes.
func (o *operator) on(command string, args ...string) result {
	o.t.Helper()
	return o.run(append(append([]string{command}, o.nodes...), args...)...)
}

// must is on for a command that has to end with that exit code.
func (o *operator) must(code int, command string, args ...string) result {
	o.t.Helper()
	r := o.on(command, args...)
	if r.code != code {
		o.t.Fatalf("want exit code %d: %s", code, r)
	}
	return r
}

// apply runs an apply that has to end with that code, and gives its record.
func (o *operator) apply(code int, spec string, args ...string) fleet.Run {
	o.t.Helper()
	return o.record(o.must(code, "apply", append([]string{"-f", spec, "--yes", "-o", "json"}, args...)...))
}

// rollback undoes a run, which has to end with that code.
func (o *operator) rollback(code int, run string, args ...string) fleet.Run {
	o.t.Helper()
	return o.record(o.must(code, "rollback", append([]string{run, "--yes", "-o", "json"}, args...)...))
}

func (o *operator) record(r result) fleet.Run {
	o.t.Helper()
	run := decode[report.Run](o.t, r)
	if run.Schema != report.RunSchema || run.ExitCode != r.code {
		o.t.Errorf("schema %q and exit code %d in the record: %s", run.Schema, run.ExitCode, r)
	}
	return *run.Run
}

// plan runs a plan that has to end with that code.
func (o *operator) plan(code int, spec string, args ...string) report.Plan {
	o.t.Helper()
	return decode[report.Plan](o.t, o.must(code, "plan", append([]string{"-f", spec, "-o", "json"}, args...)...))
}

// decode reads a result of -o json: one document and nothing else.
func decode[T any](t *testing.T, r result) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.out))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, r)
	}
	if d.More() {
		t.Fatalf("more than one document: %s", r)
	}
	return v
}

// spec is the text of a specification: registries are written below
// spec.registries, images below spec.verify.images.
func spec(registries string, images ...string) string {
	s := "apiVersion: pullway.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {name: default}\nspec:\n  registries:\n" + registries
	if len(images) > 0 {
		s += "  verify:\n    images:\n"
		for _, i := range images {
			s += "      - " + i + "\n"
		}
	}
	return s + "  rollout: {canary: 1, maxUnavailable: 100%, confirmWithin: 10s}\n"
}

// harbor is the guide's registry with the robot account.
const harbor = `    - host: 192.168.21.9
      endpoints:
        - url: http://192.168.21.9
      auth:
        username: robot$nodes
        password: {env: HARBOR_PASSWORD}
`
