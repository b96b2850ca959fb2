//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/test/rules"
)

// rulesEnv makes this test's program the world of the rules' examples, with its files
// in that folder; see TestMain.
const rulesEnv = "PULLWAY_E2E_RULES"

// rulesWorld is the process that has the registries, in a network of its own. It ends
// with this one.
type rulesWorld struct {
	dir string
	pid int
	// hosts is the hosts file of the daemons in it.
	hosts string
}

func newRulesWorld(t *testing.T) *rulesWorld {
	t.Helper()
	return newWorld(t, rulesEnv, rules.Hosts())
}

// newWorld starts this program with that variable set to a folder.
func newWorld(t *testing.T, env, hosts string) *rulesWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "pwr")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), env+"="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := startBound(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the registries do not come up: %q, %v", line, err)
	}
	return &rulesWorld{dir: dir, pid: cmd.Process.Pid, hosts: hosts}
}

// startBound starts a process that ends with this one. The kernel tells it so when
// the thread that started it ends, so that thread is never given back.
func startBound(cmd *exec.Cmd) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- cmd.Start()
		select {}
	}()
	return <-done
}

// asked are the requests of one pull.
func (w *rulesWorld) asked(key string) ([]rules.Asked, error) {
	var all []rules.Asked
	return all, w.tell("asked?key="+url.QueryEscape(key), &all)
}

// tell asks the world itself.
func (w *rulesWorld) tell(what string, into any) error {
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(w.dir, rules.ControlSocket))
	}}}
	r, err := c.Get("http://world/" + what)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	return json.NewDecoder(r.Body).Decode(into)
}

func (w *rulesWorld) read(name string) string {
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// rulesDaemon is a containerd alone: a root of its own, in the world's network.
// Nothing of it is left when its process has ended but its folder.
type rulesDaemon struct {
	dir  string
	cmd  *exec.Cmd
	gone chan struct{}
	conn *grpc.ClientConn
	// api is the version of CRI that it has: 1.5 has the one before v1, whose messages
	// are the same as far as they are used here.
	api string
}

// call calls a method of CRI.
func (d *rulesDaemon) call(ctx context.Context, method string, request, reply any) error {
	return d.conn.Invoke(ctx, "/runtime."+d.api+"."+method, request, reply)
}

// rootScript makes the root and becomes containerd. What it mounts is its own.
const rootScript = `set -e
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
mkdir -p "$1/root/etc/containerd" "$1/root/run/containerd" "$1/root/var/lib/containerd"
mount --bind "$1/etc" "$1/root/etc/containerd"
mount --bind "$1/run" "$1/root/run/containerd"
mount --bind "$1/lib" "$1/root/var/lib/containerd"
for d in proc sys dev; do mount --rbind "/$d" "$1/root/$d"; done
exec chroot "$1/root" containerd --config /etc/containerd/config.toml --log-level debug
`

// start runs containerd over the files of dir/etc.
func (w *rulesWorld) start(dir string, layers []string, env ...string) (*rulesDaemon, error) {
	for _, d := range []string{"upper/etc/ssl/certs", "work", "root", "run", "lib"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{"hosts": w.hosts, "resolv.conf": "nameserver 127.0.0.1\n", "ssl/certs/ca-certificates.crt": w.read(rules.SystemCA)} {
		if err := os.WriteFile(filepath.Join(dir, "upper/etc", name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", w.pid), "--", "unshare", "--mount", "--propagation", "private", "--", "sh", "-c", rootScript, "sh", dir, strings.Join(layers, ":"))
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	d := &rulesDaemon{dir: dir, cmd: cmd, gone: make(chan struct{})}
	if err := startBound(cmd); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait()
		close(d.gone)
	}()
	d.conn, err = grpc.NewClient("passthrough:///containerd", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "run/containerd.sock"))
		}))
	return d, err
}

// stop ends the daemon and removes everything of it.
func (d *rulesDaemon) stop() error {
	_ = d.conn.Close()
	_ = d.cmd.Process.Kill()
	<-d.gone
	return os.RemoveAll(d.dir)
}

// state waits until it can be told how the daemon is: "" for well.
func (d *rulesDaemon) state(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var err error
		for _, d.api = range []string{"v1", "v1alpha2"} {
			if err = d.call(ctx, "RuntimeService/Version", &cri.VersionRequest{}, &cri.VersionResponse{}); err == nil {
				err = d.call(ctx, "ImageService/ImageFsInfo", &cri.ImageFsInfoRequest{}, &cri.ImageFsInfoResponse{})
			}
			if status.Code(err) != codes.Unimplemented {
				break
			}
		}
		switch {
		case err == nil:
			return "", nil
		case status.Code(err) == codes.Unimplemented:
			return rules.NoCRI, nil
		}
		select {
		case <-d.gone:
			return rules.Exits, nil
		case <-ctx.Done():
			return "", fmt.Errorf("cannot be told within 30s: %w\n%s", err, d.log())
		case <-tick.C:
			// gRPC waits longer and longer between two tries to connect.
			d.conn.ResetConnectBackoff()
		}
	}
}

// pull is what a pull shows.
func (d *rulesDaemon) pull(ctx context.Context, w *rulesWorld, image, tag, secret string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	repository, _, _ := strings.Cut(image[strings.LastIndex(image, "/"):], ":")
	image = image[:strings.LastIndex(image, "/")] + repository + ":" + tag
	req := &cri.PullImageRequest{Image: &cri.ImageSpec{Image: image}}
	if user, password, ok := strings.Cut(secret, ":"); ok {
		req.Auth = &cri.AuthConfig{Username: user, Password: password}
	}
	err := d.call(ctx, "ImageService/PullImage", req, &cri.PullImageResponse{})
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "", fmt.Errorf("the pull of %s does not end: %w\n%s", image, err, d.log())
	}
	if status.Code(err) == codes.Unavailable {
		select {
		case <-d.gone:
			return rules.Exits, nil
		case <-ctx.Done():
		}
	}
	asked, aerr := w.asked(tag)
	if err != nil {
		_ = os.WriteFile(filepath.Join(d.dir, "last-error"), []byte(err.Error()), 0o600)
	}
	return rules.Observed(err == nil, asked), aerr
}

// log is the end of what containerd said.
func (d *rulesDaemon) log() string {
	b, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	return string(b[max(0, len(b)-3000):])
}
