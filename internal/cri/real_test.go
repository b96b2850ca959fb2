package cri_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/cri"
)

// realDaemon is a containerd with everything of it below one temporary folder.
type realDaemon struct {
	t             *testing.T
	binary, dir   string
	config        string
	hosts, socket string
	cmd           *exec.Cmd
}

func newRealDaemon(t *testing.T) *realDaemon {
	binary := os.Getenv("PULLWAY_CONTAINERD")
	if binary == "" {
		t.Skip("NOT RUN against a real containerd: set PULLWAY_CONTAINERD=/path/to/containerd and be root")
	}
	if os.Getuid() != 0 {
		t.Fatal("PULLWAY_CONTAINERD is set, but containerd needs root")
	}
	dir, err := os.MkdirTemp("", "cri")
	if err != nil {
		t.Fatal(err)
	}
	d := &realDaemon{t: t, binary: binary, dir: dir, config: dir + "/config.toml", hosts: dir + "/certs.d", socket: dir + "/c.sock"}
	t.Cleanup(func() {
		d.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.MkdirAll(d.hosts, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

// write makes a configuration; more is put into CRI's registry table.
func (d *realDaemon) write(cri, registry string) {
	text := fmt.Sprintf(`version = 2
[grpc]
address = %q
[plugins."io.containerd.internal.v1.opt"]
path = %q
[plugins."io.containerd.nri.v1.nri"]
disable = true
[plugins."io.containerd.grpc.v1.cri"]
stream_server_port = "0"
%s
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = %q
%s
`, d.socket, d.dir+"/opt", cri, d.dir+"/cni", d.dir+"/net.d", d.hosts, registry)
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *realDaemon) start() {
	d.t.Helper()
	log, err := os.OpenFile(d.dir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command(d.binary, "-c", d.config, "--root", d.dir+"/root", "--state", d.dir+"/state", "--address", d.socket)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *realDaemon) stop() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
	d.cmd = nil
	if d.t.Failed() {
		log, _ := os.ReadFile(d.dir + "/log")
		d.t.Logf("log of containerd:\n%s", log[max(0, len(log)-6000):])
	}
}

func (d *realDaemon) client() *cri.Client {
	d.t.Helper()
	c, err := cri.Dial(d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	return c
}

// criImages asks CRI itself for the names it has.
func (d *realDaemon) criImages(ctx context.Context) []string {
	d.t.Helper()
	conn, err := grpc.NewClient("unix://"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	r, err := runtimeapi.NewImageServiceClient(conn).ListImages(ctx, &runtimeapi.ListImagesRequest{})
	if err != nil {
		d.t.Fatal(err)
	}
	var names []string
	for _, i := range r.GetImages() {
		names = append(names, i.GetRepoTags()...)
	}
	slices.Sort(names)
	return names
}

// hostDirectory lets containerd find host at url over plain HTTP.
func (d *realDaemon) hostDirectory(host, url string) {
	d.t.Helper()
	dir := filepath.Join(d.hosts, host)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.t.Fatal(err)
	}
	text := fmt.Sprintf("server = %q\n[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n", url, url)
	if err := os.WriteFile(dir+"/hosts.toml", []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func push(t *testing.T, ref string, what any) {
	t.Helper()
	r, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	switch w := what.(type) {
	case v1.Image:
		err = remote.Write(r, w)
	case v1.ImageIndex:
		err = remote.WriteIndex(r, w)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func forNode(t *testing.T, image v1.Image, arch string) v1.Image {
	t.Helper()
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	image, err = mutate.ConfigFile(image, c)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestRealContainerd(t *testing.T) {
	d := newRealDaemon(t)
	ctx := t.Context()
	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	image, err := random.Image(2000, 2)
	if err != nil {
		t.Fatal(err)
	}
	image = forNode(t, image, runtime.GOARCH)
	push(t, host+"/team/app:v1", image)
	push(t, host+"/team/empty:v1", forNode(t, empty.Image, runtime.GOARCH))
	other, _ := random.Image(2000, 1)
	mine, _ := random.Image(2000, 1)
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: forNode(t, other, "s390x"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}},
		mutate.IndexAddendum{Add: forNode(t, mine, runtime.GOARCH), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}})
	push(t, host+"/team/index:v1", index)

	d.hostDirectory("registry.example.com", server.URL)
	d.hostDirectory("pullway-probe.invalid", server.URL)
	d.write("", "")
	c := d.client()
	d.start()
	h, gap, err := c.WaitHealthy(ctx, cri.Baseline{}, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("healthy after %s: %+v", gap, h)
	release, err := c.Version(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("release %s %s", release, release.Suffix)

	real, probe := "registry.example.com/team/app:v1", "pullway-probe.invalid/team/app:v1"
	first, err := c.Pull(ctx, real)
	if err != nil || !first.Fresh || len(first.Created) != 3 {
		t.Fatalf("first pull: %+v, %v", first, err)
	}
	t.Logf("first pull: %+v", first)
	second, err := c.Pull(ctx, probe)
	if err != nil || second.Fresh || second.Digest != first.Digest {
		t.Fatalf("second pull: %+v, %v", second, err)
	}
	t.Logf("second pull: %+v", second)
	deleted, err := c.DropPulled(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("deleted %q", deleted)
	present := func(ref string, want bool) {
		t.Helper()
		if got, err := c.Present(ctx, ref); err != nil || got != want {
			refs, _ := c.ImageRefs(ctx)
			t.Errorf("Present(%q) = %v, %v; want %v; there are %+v", ref, got, err, want, refs)
		}
	}
	present(probe, false)
	present(real, true)
	present(first.ImageID, true)
	following := func(want ...string) {
		t.Helper()
		deadline := time.Now().Add(3 * time.Second)
		got := d.criImages(ctx)
		for !slices.Equal(got, want) && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
			got = d.criImages(ctx)
		}
		if !slices.Equal(got, want) {
			t.Errorf("CRI lists %q, want %q", got, want)
		}
	}
	following(real)

	// A probe of an image that was not there leaves nothing behind.
	third, err := c.Pull(ctx, "pullway-probe.invalid/team/index:v1")
	if err != nil || !third.Fresh {
		t.Fatalf("pull of an index: %+v, %v", third, err)
	}
	if _, err := c.DropPulled(ctx, third); err != nil {
		t.Fatal(err)
	}
	present(third.ImageID, false)
	again, err := c.Pull(ctx, "pullway-probe.invalid/team/index:v1")
	if err != nil || !again.Fresh {
		t.Errorf("pull after the image was dropped: %+v, %v; its layers must be fetched again", again, err)
	}
	if _, err := c.DropPulled(ctx, again); err != nil {
		t.Fatal(err)
	}
	bare, err := c.Pull(ctx, "pullway-probe.invalid/team/empty:v1")
	t.Logf("image without layers: %+v, %v", bare, err)
	if err == nil && bare.Fresh {
		t.Errorf("an image without layers cannot be fresh: %+v", bare)
	}
	if _, err := c.DropPulled(ctx, bare); err != nil {
		t.Fatal(err)
	}
	following(real)

	for ref, want := range map[string]cri.Kind{
		"registry.example.com/team/none:v1":  cri.NotFound,
		"127.0.0.1:9/team/app:v1":            cri.Unreachable,
		"registry.example.com/team/app:v1@x": cri.Other,
	} {
		_, err := c.Pull(ctx, ref)
		pe, ok := errors.AsType[*cri.PullError](err)
		if !ok || pe.Kind != want {
			t.Errorf("Pull(%q) = %v, want kind %s", ref, err, want)
		}
		t.Logf("%s: %v", want, err)
	}

	// The daemon restarts; then it comes back without CRI.
	before := h.Baseline()
	stop := c.Watch(ctx)
	d.stop()
	d.start()
	if _, gap, err = c.WaitHealthy(ctx, before, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	t.Logf("restart: gap %s, watched %s", gap, stop())
	d.stop()
	d.write("", "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"http://192.0.2.1\"]")
	d.start()
	start := time.Now()
	broken, _, err := c.WaitHealthy(ctx, before, 20*time.Second)
	if err == nil || !broken.CRIMissing || !strings.Contains(err.Error(), "`mirrors` cannot be set when `config_path` is provided") {
		t.Fatalf("without CRI: %+v, %v", broken, err)
	}
	t.Logf("given up after %s: %v\n%+v", time.Since(start), err, broken)
	_, err = c.Pull(ctx, real)
	if pe, ok := errors.AsType[*cri.PullError](err); !ok || pe.Kind != cri.CRIMissing {
		t.Errorf("pull without CRI: %v", err)
	}
	if _, err := c.Version(ctx); err != nil {
		t.Errorf("version without CRI: %v", err)
	}
	d.stop()
	d.write("[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndiscard_unpacked_layers = true", "")
	d.start()
	if _, _, err := c.WaitHealthy(ctx, before, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	thrown, err := c.Pull(ctx, "registry.example.com/team/index:v1")
	if err != nil || !thrown.Fresh {
		t.Errorf("pull with discarded layers: %+v, %v", thrown, err)
	}
	thrownAgain, err := c.Pull(ctx, "pullway-probe.invalid/team/index:v1")
	t.Logf("discarded layers: %+v then %+v", thrown, thrownAgain)
	if err != nil || thrownAgain.Fresh {
		t.Errorf("second pull with discarded layers: %+v, %v", thrownAgain, err)
	}
}
