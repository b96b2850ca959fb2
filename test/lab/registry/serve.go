package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Serve runs the registry of a folder until ctx ends: the given distribution
// binary on a loopback port, and the front door at the Spec's address. It
// returns nil when ctx ended it, and the reason when it ended by itself. The binary
// does not outlive this process.
func Serve(ctx context.Context, f Folder, binary string) error {
	spec, err := f.Spec()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	mux := http.NewServeMux()
	if spec.Auth == AuthToken {
		t, err := newTokens(f.knows)
		if err != nil {
			return err
		}
		keys, err := t.jwks()
		if err != nil {
			return err
		}
		if err := replace(f.jwksFile(), keys); err != nil {
			return err
		}
		mux.Handle(tokenPath, t)
	}
	backend, err := freePort()
	if err != nil {
		return err
	}
	if err := replace(f.backendFile(), []byte(backendConfig(spec, f, backend))); err != nil {
		return err
	}
	failed := make(chan error, 2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed <- runBackend(ctx, binary, f.backendFile())
	}()
	defer func() { cancel(); <-done }()
	if err := listening(ctx, backend, failed); err != nil {
		return err
	}
	mux.Handle("/", proxy(backend))

	file, err := os.OpenFile(f.LogFile(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", spec.Addr)
	if err != nil {
		return err
	}
	// Handshakes that clients break off are the tests' own doing.
	srv := &http.Server{Handler: logged(mux, file), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		if spec.TLS {
			failed <- srv.ServeTLS(l, f.CertFile(), f.KeyFile())
		} else {
			failed <- srv.Serve(l)
		}
	}()
	defer srv.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("registry %s ended: %w", spec.Name, err)
	}
}

// proxy hands requests on as they came, Host included, so that the addresses in
// the registry's answers are those that the client used.
func proxy(backend string) http.Handler {
	target := &url.URL{Scheme: "http", Host: backend}
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// runBackend keeps its thread for as long as the process runs: the kernel sends
// the death signal when the thread that started a child ends.
func runBackend(ctx context.Context, binary, config string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, binary, "serve", config)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if err == nil {
		err = errors.New("distribution ended")
	}
	return err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// listening waits until something accepts connections at addr.
func listening(ctx context.Context, addr string, failed <-chan error) error {
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// backendConfig is distribution's configuration file.
func backendConfig(s Spec, f Folder, addr string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\n")
	fmt.Fprintf(&b, "storage:\n  filesystem:\n    rootdirectory: %q\n  delete:\n    enabled: true\n", f.dataDir())
	fmt.Fprintf(&b, "http:\n  addr: %q\n", addr)
	switch s.Auth {
	case AuthBasic:
		fmt.Fprintf(&b, "auth:\n  htpasswd:\n    realm: lab\n    path: %q\n", f.htpasswdFile())
	case AuthToken:
		fmt.Fprintf(&b, "auth:\n  token:\n    realm: %q\n    service: %q\n    issuer: %q\n    jwks: %q\n",
			s.URL()+tokenPath, tokenService, tokenIssuer, f.jwksFile())
	}
	return b.String()
}
