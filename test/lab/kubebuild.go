package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

const (
	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
	cniModule        = "github.com/containernetworking/plugins"
)

// kubePrograms builds what a lab with that spec runs on this machine, and gives the paths by name.
func (c cache) kubePrograms(ctx context.Context, spec *KubeSpec) (map[string]string, error) {
	if spec == nil {
		return nil, nil
	}
	programs := map[string]string{}
	for _, name := range spec.programs() {
		build := c.kubeProgram
		if name == etcdProgram {
			build = c.etcdProgram
		}
		dir, err := build(ctx, name)
		if err != nil {
			return nil, err
		}
		programs[name] = filepath.Join(dir, name)
	}
	return programs, nil
}

// etcdProgram builds etcd, whose program lies at the top of its module.
func (c cache) etcdProgram(ctx context.Context, name string) (string, error) {
	return c.entry(ctx, name+"-"+etcdVersion+"-"+kubeRecipe, func(ctx context.Context, dir string) error {
		if err := (tool{module: etcdModule, version: etcdVersion, packages: []string{""}}).build(ctx, dir); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, "server"), filepath.Join(dir, name))
	})
}

// kubeProgram builds one program of Kubernetes. That takes minutes, so each is a thing of its own
// in the cache, made when the first lab asks for it.
func (c cache) kubeProgram(ctx context.Context, name string) (string, error) {
	return c.entry(ctx, name+"-"+kubernetesVersion+"-"+kubeRecipe, func(ctx context.Context, dir string) error {
		return buildKube(ctx, name, dir)
	})
}

func buildKube(ctx context.Context, name, out string) error {
	mod, err := kubernetesGoMod(ctx, out)
	if err != nil {
		return err
	}
	return tool{
		module: kubernetesModule, version: kubernetesVersion, packages: []string{"cmd/" + name}, goMod: mod,
		// What the project's own release build sets, and what a Node object reports.
		ldflags: "-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion,
	}.build(ctx, out)
}

// kubernetesGoMod fetches the module's own go.mod and gives one that can build its programs
// from outside of its source tree. near is a folder of the cache.
func kubernetesGoMod(ctx context.Context, near string) (string, error) {
	path, err := goCommand(ctx, filepath.Dir(near), "list", "-m", "-f", "{{.GoMod}}", kubernetesModule+"@"+kubernetesVersion)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(strings.TrimSpace(path))
	if err != nil {
		return "", err
	}
	return outsideGoMod(b, kubernetesVersion)
}

// outsideGoMod turns Kubernetes' go.mod into that of a module that uses it: what it replaces by a
// folder of its own source tree, k8s.io/api and its like, is published as v0.X.Y for v1.X.Y.
func outsideGoMod(own []byte, version string) (string, error) {
	f, err := modfile.Parse("go.mod", own, nil)
	if err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(version, "v1.")
	if !ok || f.Go == nil {
		return "", fmt.Errorf("the go.mod of %s %s is not of the known form", kubernetesModule, version)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ngo %s\n", toolModule, f.Go.Version)
	for _, r := range f.Replace {
		if !strings.HasPrefix(r.New.Path, "./staging/") {
			return "", fmt.Errorf("the go.mod of %s %s replaces %s by %s", kubernetesModule, version, r.Old.Path, r.New.Path)
		}
		fmt.Fprintf(&b, "\nreplace %s => %s v0.%s\n", r.Old.Path, r.Old.Path, rest)
	}
	return b.String(), nil
}

// podsLayer is a layer over the root tree for nodes that run containers: CNI plugins, and a unit
// that prepares what the node shares with this machine.
func (c cache) podsLayer(ctx context.Context) (string, error) {
	return c.entry(ctx, "pods-"+cniVersion+"-"+podsRecipe, func(ctx context.Context, dir string) error {
		bin, sbin := filepath.Join(dir, "opt/cni/bin"), filepath.Join(dir, "usr/local/sbin")
		for _, d := range []string{bin, sbin} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(sbin, "lab-pods"), []byte(podsScript), 0o755); err != nil {
			return err
		}
		if err := addUnit(dir, "lab-pods.service", podsUnit); err != nil {
			return err
		}
		return tool{
			module: cniModule, version: cniVersion,
			packages: []string{"plugins/main/bridge", "plugins/main/loopback", "plugins/ipam/host-local"},
		}.build(ctx, bin)
	})
}

// kubeletLayer is a layer with kubelet as a unit.
func (c cache) kubeletLayer(ctx context.Context) (string, error) {
	return c.entry(ctx, "kubelet-"+kubernetesVersion+"-"+kubeRecipe, func(ctx context.Context, dir string) error {
		bin := filepath.Join(dir, "usr/local/bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			return err
		}
		if err := addUnit(dir, "kubelet.service", kubeletUnit); err != nil {
			return err
		}
		return buildKube(ctx, "kubelet", bin)
	})
}

// addUnit puts an enabled systemd unit into a layer.
func addUnit(layer, name, text string) error {
	units := filepath.Join(layer, "etc/systemd/system")
	wants := filepath.Join(units, "multi-user.target.wants")
	if err := os.MkdirAll(wants, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(units, name), []byte(text), 0o644); err != nil {
		return err
	}
	return os.Symlink("/etc/systemd/system/"+name, filepath.Join(wants, name))
}

// nodeLayers are the layers that go over the root tree of a node, the topmost first.
func (c cache) nodeLayers(ctx context.Context, n NodeSpec, kubelet bool) ([]string, error) {
	var layers []string
	for _, want := range []struct {
		is   bool
		make func(context.Context) (string, error)
	}{
		{kubelet, c.kubeletLayer},
		{n.Pods, c.podsLayer},
		{true, func(ctx context.Context) (string, error) { return c.containerdLayer(ctx, n.Containerd) }},
	} {
		if !want.is {
			continue
		}
		layer, err := want.make(ctx)
		if err != nil {
			return nil, err
		}
		if layer != "" {
			layers = append(layers, layer)
		}
	}
	return layers, nil
}
