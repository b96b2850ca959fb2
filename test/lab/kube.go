package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// KubeSpec says what of Kubernetes a lab has: etcd and kube-apiserver always (authorizers Node and
// RBAC), the rest when asked for. Node objects carry the names of the lab's nodes.
type KubeSpec struct {
	// Kubelets names the nodes that run a real kubelet. It registers its node by itself, and Up
	// returns when that is Ready.
	Kubelets []string
	// Controllers runs kube-controller-manager: PodDisruptionBudgets get a real status, Deployments
	// pods, namespaces their service account (which a pod then needs). Nodes whose kubelet
	// is silent, or that have none, are left alone for a day.
	Controllers bool
	// Scheduler runs kube-scheduler; it needs Controllers. Without it a pod names its node.
	Scheduler bool
}

const (
	etcdProgram      = "etcd"
	apiServerProgram = "kube-apiserver"
	managerProgram   = "kube-controller-manager"
	schedulerProgram = "kube-scheduler"
)

// programs are what runs on this machine, in the order of their start.
func (s *KubeSpec) programs() []string {
	names := []string{etcdProgram, apiServerProgram}
	if s.Controllers {
		names = append(names, managerProgram)
	}
	if s.Scheduler {
		names = append(names, schedulerProgram)
	}
	return names
}

func (s *KubeSpec) kubeletOn(node string) bool { return s != nil && slices.Contains(s.Kubelets, node) }

// check reports what is wrong with it in a lab of those nodes and registry addresses.
func (s *KubeSpec) check(nodes, registries map[string]bool) error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, name := range s.Kubelets {
		if !nodes[name] {
			errs = append(errs, fmt.Errorf("kubernetes: a kubelet on %q, which is no node", name))
		}
	}
	if s.Scheduler && !s.Controllers {
		errs = append(errs, errors.New("kubernetes: the scheduler needs the controllers, which take the taint off a new node"))
	}
	for _, a := range []netip.Addr{kubeAddr, Operator} {
		if registries[netip.AddrPortFrom(a, kubePort).String()] {
			errs = append(errs, fmt.Errorf("kubernetes: a registry has the address %s:%d of the API server", a, kubePort))
		}
	}
	return errors.Join(errs...)
}

// Kube is the Kubernetes of a lab.
type Kube struct {
	spec KubeSpec
	lab  *Lab

	mu sync.Mutex
	// ended is closed at the end of a program that this process started.
	ended map[string]chan struct{}
}

const kubePort = 6443

// URL of the API server, by address. Its certificate is of the lab's own authority (CAFile).
func (k *Kube) URL() string {
	return "https://" + netip.AddrPortFrom(kubeAddr, kubePort).String()
}

func (k *Kube) group(program string) group { return labGroup(k.lab.state.ID).child(program) }

// start starts everything but the kubelets.
func (k *Kube) start(ctx context.Context) error {
	for _, name := range k.spec.programs() {
		start := func() error { return k.run(name) }
		if name == apiServerProgram {
			start = func() error { return k.Start(ctx) }
		}
		if err := start(); err != nil {
			return err
		}
	}
	if !k.spec.Controllers {
		return nil
	}
	return k.awaitObject(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
}

// Start starts the API server and returns when it is ready and has made the namespaces that
// every cluster has.
func (k *Kube) Start(ctx context.Context) error {
	if err := k.run(apiServerProgram); err != nil {
		return err
	}
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-node-lease", "/api/v1/namespaces/kube-system"} {
		if err := k.awaitObject(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the API server at once: connections to it are refused until Start. What it knew
// stays, in etcd.
func (k *Kube) Stop(ctx context.Context) error { return k.group(apiServerProgram).end(ctx) }

// run starts a program and waits for nothing.
func (k *Kube) run(name string) error {
	if len(k.group(name).processes()) > 0 {
		return fmt.Errorf("%s runs already", name)
	}
	argv := append([]string{"nsenter", "--net=" + netnsPath(k.lab.state.Netns), "--", k.lab.state.Programs[name]}, k.flags(name)...)
	cmd, err := spawn(k.group(name), k.log(name), argv...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended[name] = ended
	return nil
}

// dead names a program that this process started and that ended.
func (k *Kube) dead() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range k.spec.programs() {
		select {
		case <-k.ended[name]:
			return fmt.Errorf("%s ended: %s", name, lastLine(k.log(name)))
		default: // it lives, or another process started it: a nil channel
		}
	}
	return nil
}

// log is the path of what a program wrote.
func (k *Kube) log(program string) string { return k.lab.path("kube", program+".log") }

// awaitObject returns when the API server gives that object, or its own health, to the admin.
func (k *Kube) awaitObject(ctx context.Context, path string) error {
	return k.await(ctx, path, func([]byte) error { return nil })
}

// await asks for path until the answer is good.
func (k *Kube) await(ctx context.Context, path string, good func(body []byte) error) error {
	client, err := k.adminHTTP()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	var last error
	err = until(ctx, 50*time.Millisecond, func() (bool, error) {
		if err := k.dead(); err != nil {
			return false, err
		}
		body, err := get(ctx, client, k.URL()+path)
		if err == nil {
			err = good(body)
		}
		if last == nil || ctx.Err() == nil { // an answer that the end of the time cut off says less
			last = err
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("kubernetes, waiting for %s: %w (last answer: %v)", path, err, last)
	}
	return nil
}

// awaitKubelets returns when every node with a kubelet is Ready.
func (k *Kube) awaitKubelets(ctx context.Context) error {
	for _, name := range k.spec.Kubelets {
		if err := k.await(ctx, "/api/v1/nodes/"+name, nodeIsReady); err != nil {
			return err
		}
	}
	return nil
}

func nodeIsReady(body []byte) error {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(body, &node); err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return nil
		} else if c.Type == "Ready" {
			return errors.New("not ready: " + c.Message)
		}
	}
	return errors.New("not ready: no such condition yet")
}

// get gives the body of an answer of status 200.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, shorten(string(body), 200))
	}
	return body, err
}

func lastLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return shorten(lines[len(lines)-1], 300) + " (all of it: " + file + ")"
}
