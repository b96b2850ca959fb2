package lab

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
)

// A tool is built from a small module of its own, made for the purpose: the
// project's go.mod stays free of it, and unlike `go install` this also works for modules
// whose go.mod excludes or replaces something (containerd 1.x).
type tool struct {
	module, version string
	packages        []string
	tags, ldflags   string
	// goMod is what the module's go.mod holds at first; empty is no more than its name.
	goMod string
}

const toolModule = "module lab.invalid/tool\n"

// build puts the programs into out.
func (t tool) build(ctx context.Context, out string) error {
	dir, err := os.MkdirTemp(filepath.Dir(out), ".module-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(or(t.goMod, toolModule)), 0o600); err != nil {
		return err
	}
	get := []string{"get", "-tool"}
	paths := []string{}
	for _, p := range t.packages {
		get = append(get, path.Join(t.module, p)+"@"+t.version)
		paths = append(paths, path.Join(t.module, p))
	}
	if _, err := goCommand(ctx, dir, get...); err != nil {
		return err
	}
	// Without DWARF, which is stripped anyway, a compiler needs a fifth less time.
	build := []string{"build", "-p", "2", "-trimpath", "-gcflags=all=-dwarf=false", "-o", out + "/", "-tags", t.tags, "-ldflags", strings.TrimSpace("-s -w " + t.ldflags)}
	_, err = goCommand(ctx, dir, append(build, paths...)...)
	return err
}

// goCommand runs go at the lowest priority, statically linked (a node has its own C
// library) and free of the flags and workspaces of whoever started the lab.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "19", "go"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false", "PWD="+dir)
	return finish(cmd, "")
}

// containerdModule is where a release's module lives.
func containerdModule(release string) string {
	if strings.HasPrefix(release, "1.") {
		return "github.com/containerd/containerd"
	}
	return "github.com/containerd/containerd/v2"
}

// containerdLayer is a layer to be put over the root tree that makes it run that release;
// empty for the one that the root tree has.
func (c cache) containerdLayer(ctx context.Context, release string) (string, error) {
	if release == "" || release == debianContainerd {
		return "", nil
	}
	module := containerdModule(release)
	return c.entry(ctx, "containerd-"+release+"-"+layerRecipe, func(ctx context.Context, dir string) error {
		bin := filepath.Join(dir, "usr/local/bin")
		unit := filepath.Join(dir, "etc/systemd/system/containerd.service.d")
		for _, d := range []string{bin, unit} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(unit, "10-release.conf"), []byte(releaseDropIn), 0o644); err != nil {
			return err
		}
		return tool{
			module: module, version: "v" + release,
			packages: []string{"cmd/containerd", "cmd/containerd-shim-runc-v2"},
			tags:     "no_btrfs,no_devmapper,no_zfs,no_aufs",
			// What the project's own release build sets, and what CRI reports.
			ldflags: "-X " + module + "/version.Version=v" + release,
		}.build(ctx, bin)
	})
}

// releaseDropIn replaces the program of the distribution's unit and keeps the rest of it.
const releaseDropIn = "[Service]\nExecStart=\nExecStart=/usr/local/bin/containerd\n"

// registryBinary builds the registry.
func (c cache) registryBinary(ctx context.Context) (string, error) {
	dir, err := c.entry(ctx, "registry-"+distributionVersion+"-"+registryRecipe, func(ctx context.Context, dir string) error {
		return tool{
			module: "github.com/distribution/distribution/v3", version: distributionVersion,
			packages: []string{"cmd/registry"},
		}.build(ctx, dir)
	})
	return filepath.Join(dir, "registry"), err
}

//go:embed app/main.go
var appSource []byte

// appBinary builds the static program that the images hold.
func (c cache) appBinary(ctx context.Context) (string, error) {
	dir, err := c.entry(ctx, "app-"+registryRecipe, func(ctx context.Context, dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "main.go"), appSource, 0o600); err != nil {
			return err
		}
		_, err := goCommand(ctx, dir, "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "app"), "main.go")
		return err
	})
	return filepath.Join(dir, "app"), err
}

const helperPackage = "github.com/pullway/pullway/test/lab/cmd/lab"

// builtHelper is the lab command as this process has built it; nil before.
var builtHelper struct {
	sync.Mutex
	program []byte
}

// helperBinary puts the lab command at path: it is what runs the registries and
// waits for the end of this process. In the lab command that is the running
// program itself; elsewhere, such as in a test, it is built from this module, once.
func helperBinary(ctx context.Context, path string) error {
	b := &builtHelper
	b.Lock()
	defer b.Unlock()
	if b.program == nil {
		program, err := makeHelper(ctx, path)
		if err != nil {
			return err
		}
		b.program = program
	}
	// Not by this process: what it forks meanwhile would hold the file open for writing,
	// and the kernel runs no such file ("text file busy").
	cmd := exec.CommandContext(ctx, "sh", "-c", `cat > "$0.new" && chmod 755 "$0.new" && mv -f "$0.new" "$0"`, path)
	cmd.Stdin = bytes.NewReader(b.program)
	_, err := finish(cmd, "")
	return err
}

// makeHelper may build at path.
func makeHelper(ctx context.Context, path string) ([]byte, error) {
	if info, ok := debug.ReadBuildInfo(); ok && info.Path == helperPackage {
		return os.ReadFile("/proc/self/exe")
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, helperPackage)
	if _, err := finish(cmd, ""); err != nil {
		return nil, fmt.Errorf("build the lab's helper: %w", err)
	}
	return os.ReadFile(path)
}
