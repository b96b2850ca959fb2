package cri

import (
	"errors"
	"strings"
	"testing"

	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	"github.com/google/go-cmp/cmp"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/containerd"
)

func failedPlugin(typ, id, text string) *introspectionapi.Plugin {
	return &introspectionapi.Plugin{Type: typ, ID: id, InitErr: &rpc.Status{Code: 2, Message: text}}
}

func TestHealth(t *testing.T) {
	const cause = "invalid cri image config: `mirrors` cannot be set when `config_path` is provided"
	cascade := "unable to load CRI image service plugin dependency: " + cause
	answer := func(r *runtimeapi.StatusResponse, err error) func(*fake) {
		return func(f *fake) { f.status = func() (*runtimeapi.StatusResponse, error) { return r, err } }
	}
	for name, c := range map[string]struct {
		reason string
		set    func(*fake)
		ok     bool
		why    string
		check  func(Health) bool
	}{
		"well": {"", func(*fake) {}, true, "", func(h Health) bool { return h.RuntimeReady && h.NetworkReady && len(h.Conditions) == 3 }},
		"no-network": {"a node without CNI yet is as it should be", answer(conditions(true, false), nil), true, "",
			func(h Health) bool { return !h.NetworkReady && h.Conditions[1].Message == "cni plugin not initialized" }},
		"runtime-not-ready": {"", answer(conditions(false, true), nil), false, "RuntimeReady is false", nil},
		"no-conditions":     {"what is not reported is not true", answer(&runtimeapi.StatusResponse{}, nil), false, "RuntimeReady is not reported", nil},
		"missing-1.x": {"the reason comes from the plugin list", func(f *fake) {
			f.noCRI = true
			f.plugins = []*introspectionapi.Plugin{failedPlugin("io.containerd.snapshotter.v1", "devmapper", "devmapper not configured"), failedPlugin("io.containerd.grpc.v1", "cri", "invalid plugin config: "+cause)}
		}, false, "CRI is missing: plugin io.containerd.grpc.v1.cri did not load: invalid plugin config: " + cause,
			func(h Health) bool { return h.CRIMissing && len(h.FailedPlugins) == 1 }},
		"missing-2.x": {"the cause stands before what it broke", func(f *fake) {
			f.noCRI = true
			f.plugins = []*introspectionapi.Plugin{failedPlugin("io.containerd.grpc.v1", "cri", cascade), failedPlugin("io.containerd.podsandbox.controller.v1", "podsandbox", cascade), failedPlugin("io.containerd.cri.v1", "images", cause)}
		}, false, "CRI is missing: plugin io.containerd.cri.v1.images did not load: " + cause,
			func(h Health) bool { return h.FailedPlugins[2].Type == "io.containerd.grpc.v1" }},
		"disabled": {"a disabled plugin is not in the list", func(f *fake) { f.noCRI = true }, false,
			"CRI is missing: containerd answers without it; the plugin is probably in disabled_plugins", nil},
		"plugin-failed": {"CRI may answer while one of its parts did not load", func(f *fake) {
			f.plugins = []*introspectionapi.Plugin{failedPlugin("io.containerd.cri.v1", "images", "boom\nboom")}
		}, false, "plugin io.containerd.cri.v1.images did not load: boom boom", nil},
		"starting-2.x":     {"", answer(nil, status.Error(codes.Unavailable, "server is not initialized yet: unavailable")), false, "CRI is still starting: it recovers its containers", func(h Health) bool { return h.Starting }},
		"starting-1.6":     {"the same with another code", answer(nil, status.Error(codes.Unknown, "server is not initialized yet")), false, "CRI is still starting: it recovers its containers", nil},
		"no-introspection": {"CRI's own word stands", func(f *fake) { f.noOwn = true }, true, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c.set(f)
			h, err := f.client(t).Health(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", c.reason, err)
			}
			ok, why := h.OK()
			if ok != c.ok || why != c.why {
				t.Errorf("%s: OK() = %v, %q; want %v, %q", c.reason, ok, why, c.ok, c.why)
			}
			if c.check != nil && !c.check(h) {
				t.Errorf("%s: %+v", c.reason, h)
			}
		})
	}
}

func TestHealthErrors(t *testing.T) {
	huge := conditions(true, true)
	huge.Info = map[string]string{"config": strings.Repeat("x", maxMessage+1)}
	for name, c := range map[string]struct {
		client func(*testing.T) *Client
		code   codes.Code
		text   string
	}{
		"away": {func(t *testing.T) *Client { return dial(t, socketPath(t)) }, codes.Unavailable, "no daemon answers on the socket: no such file or directory"},
		"huge": {func(t *testing.T) *Client {
			f := newFake()
			f.status = func() (*runtimeapi.StatusResponse, error) { return huge, nil }
			return f.client(t)
		}, codes.ResourceExhausted, "larger than max"},
		"fails": {func(t *testing.T) *Client {
			f := newFake()
			f.status = func() (*runtimeapi.StatusResponse, error) {
				return nil, status.Error(codes.Internal, "first\nsecond http://admin:Harbor12345@192.0.2.1/v2/")
			}
			return f.client(t)
		}, codes.Internal, "first second http://192.0.2.1/v2/"},
		"plugins-fail": {func(t *testing.T) *Client {
			f := newFake()
			f.fail["Plugins"] = status.Error(codes.Internal, "boom")
			return f.client(t)
		}, codes.Internal, "boom"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := c.client(t).Health(t.Context())
			ce, ok := errors.AsType[*CallError](err)
			if !ok || ce.Code != c.code || !strings.Contains(ce.Text, c.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %+v, %v; want code %s and %q", h, err, c.code, c.text)
			}
		})
	}
}

func TestBaseline(t *testing.T) {
	health := func(met ...string) Health {
		h := Health{RuntimeReady: true}
		for _, typ := range []string{"ContainerdHasNoDeprecationWarnings", "NetworkReady", "RuntimeReady"} {
			h.Conditions = append(h.Conditions, Condition{Type: typ, Status: strings.Contains(strings.Join(met, " "), typ)})
		}
		return h
	}
	all := health("ContainerdHasNoDeprecationWarnings", "NetworkReady", "RuntimeReady")
	if diff := cmp.Diff(Baseline{Conditions: []string{"NetworkReady", "RuntimeReady"}}, all.Baseline()); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct {
		before, after Health
		ok            bool
	}{
		"same":                 {all, all, true},
		"network-lost":         {all, health("RuntimeReady"), false},
		"network-never":        {health("RuntimeReady"), health("RuntimeReady"), true},
		"network-gained":       {health("RuntimeReady"), all, true},
		"deprecation-appeared": {all, health("NetworkReady", "RuntimeReady"), true},
		"cri-gone":             {all, Health{CRIMissing: true}, false},
		"condition-vanished":   {all, Health{RuntimeReady: true}, false},
	} {
		ok, why := c.after.Meets(c.before.Baseline())
		if ok != c.ok || ok == (why != "") {
			t.Errorf("%s: Meets = %v, %q; want %v", name, ok, why, c.ok)
		}
	}
}

func TestVersion(t *testing.T) {
	f := newFake()
	got, err := f.client(t).Version(t.Context())
	if want := (containerd.Release{Major: 1, Minor: 6, Patch: 20, Suffix: "~ds1"}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	f = newFake()
	f.noOwn, f.version = true, &runtimeapi.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "v2.4.2"}
	if got, err := f.client(t).Version(t.Context()); err != nil || !got.AtLeast(2, 4, 2) {
		t.Errorf("by CRI: %+v, %v", got, err)
	}
	f = newFake()
	f.noOwn, f.version = true, &runtimeapi.VersionResponse{RuntimeName: "cri-o", RuntimeVersion: "1.33.0"}
	if _, err := f.client(t).Version(t.Context()); err == nil || !strings.Contains(err.Error(), `"cri-o"`) {
		t.Errorf("another runtime: %v", err)
	}
}

func TestDial(t *testing.T) {
	for _, bad := range []string{"", "containerd.sock", "tcp://127.0.0.1:1", "unix://x", "/a\x00b", "/" + strings.Repeat("x", maxSocketPath)} {
		if c, err := Dial(bad); err == nil {
			_ = c.Close()
			t.Errorf("Dial(%q) gave no error", bad)
		}
	}
	c, err := Dial("unix:///run/x.sock")
	if err != nil || c.Address() != "/run/x.sock" {
		t.Fatal(c, err)
	}
	_ = c.Close()
}

func TestContainers(t *testing.T) {
	f := newFake()
	f.list = []*runtimeapi.Container{
		{Id: "b", PodSandboxId: "s", State: runtimeapi.ContainerState_CONTAINER_EXITED, CreatedAt: 5},
		{Id: "a", PodSandboxId: "s", State: runtimeapi.ContainerState_CONTAINER_RUNNING, CreatedAt: 7, Metadata: &runtimeapi.ContainerMetadata{Name: "app"},
			Labels: map[string]string{"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.name": "web-1\n"}},
	}
	f.tasks = []*tasksProcess{{"a", 42}, {"s", 41}}
	got, err := f.client(t).Containers(t.Context())
	if err != nil || len(got) != 2 || got[0].ID != "a" || got[0].Pid != 42 || got[0].State != "running" || got[1].State != "exited" || got[1].Pid != 0 || got[1].CreatedAt.UnixNano() != 5 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got[0].PodPid != 41 || got[0].Name != "default/web-1 /app" || got[1].Name != "b" {
		t.Errorf("got %+v", got)
	}
}

func TestEnding(t *testing.T) {
	f := newFake()
	f.endings = map[string]*runtimeapi.ContainerStatus{
		"a": {State: runtimeapi.ContainerState_CONTAINER_EXITED, FinishedAt: 5, ExitCode: 255, Reason: EndedUnknown},
		"b": {State: runtimeapi.ContainerState_CONTAINER_RUNNING},
	}
	c := f.client(t)
	if end, there, err := c.Ending(t.Context(), "a"); err != nil || !there || end.State != "exited" || end.At.UnixNano() != 5 || end.ExitCode != 255 || end.Reason != EndedUnknown {
		t.Errorf("a: %+v, %v, %v", end, there, err)
	}
	if end, there, err := c.Ending(t.Context(), "b"); err != nil || !there || end.State != Running || !end.At.IsZero() {
		t.Errorf("b: %+v, %v, %v", end, there, err)
	}
	if _, there, err := c.Ending(t.Context(), "c"); err != nil || there {
		t.Errorf("c: there %v, %v", there, err)
	}
}
