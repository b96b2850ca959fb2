package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/pullway/pullway/test/lab/registry"
)

// Registry is one registry of the lab. Its Folder also gives and empties the
// access log and sets passwords.
type Registry struct {
	registry.Folder
	Spec registry.Spec

	lab *Lab
}

// The registries that a lab has unless told otherwise, by name.
const (
	// Harbor is at http://192.168.21.9 as in the guide, with a password.
	Harbor = "harbor"
	// HarborTLS is at https://harbor.example.com (192.168.21.8), with a private authority and a password.
	HarborTLS = "harbor-tls"
	// TokenOnly is at http://192.168.21.7:5000 and takes tokens only, as Docker Hub does.
	TokenOnly = "token-only"
)

// DefaultRegistries are the three. Each knows admin and a robot account.
func DefaultRegistries() []registry.Spec {
	specs := []registry.Spec{
		{Name: Harbor, Addr: "192.168.21.9:80", Auth: registry.AuthBasic},
		{Name: HarborTLS, Addr: "192.168.21.8:443", Host: "harbor.example.com", TLS: true, Auth: registry.AuthBasic},
		{Name: TokenOnly, Addr: "192.168.21.7:5000", Auth: registry.AuthToken},
	}
	for i := range specs {
		specs[i].Users = map[string]string{"admin": "Harbor12345", "robot$nodes": "robot-secret-1"}
	}
	return specs
}

func (r *Registry) group() group {
	return labGroup(r.lab.state.ID).child("registry-" + r.Spec.Name)
}

func (r *Registry) makeFolder(ca *authority) error {
	if err := r.Create(r.Spec); err != nil || !r.Spec.TLS {
		return err
	}
	cert, key, err := ca.issueServer(r.Spec.Reference(), netip.MustParseAddrPort(r.Spec.Addr).Addr(), r.Spec.Host)
	if err != nil {
		return err
	}
	if err := replace(r.CertFile(), cert, 0o644); err != nil {
		return err
	}
	return replace(r.KeyFile(), key, 0o600)
}

// Start starts the registry and returns when it answers.
func (r *Registry) Start(ctx context.Context) error {
	output := r.lab.path("registries", r.Spec.Name, "output.log")
	cmd, err := spawn(r.group(), output, "nsenter", "--net="+netnsPath(r.lab.state.Netns), "--",
		r.lab.path("helper"), "helper", "registry", string(r.Folder), r.lab.state.Binary)
	if err != nil {
		return fmt.Errorf("registry %s: %w", r.Spec.Name, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	transport, err := r.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	var last error
	err = until(ctx, 20*time.Millisecond, func() (bool, error) {
		select {
		case <-ended:
			return false, errors.New("it ended, see " + output)
		default:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Spec.URL()+"/v2/", nil)
		if err != nil {
			return false, err
		}
		resp, err := client.Do(req)
		if last = err; err != nil {
			return false, nil
		}
		return true, resp.Body.Close()
	})
	if err != nil {
		return fmt.Errorf("registry %s: %w (last answer: %v)", r.Spec.Name, err, last)
	}
	return nil
}

// Stop ends the registry at once: connections are refused until Start. Images,
// users and log stay.
func (r *Registry) Stop(ctx context.Context) error { return r.group().end(ctx) }

// Running tells whether the registry's process lives.
func (r *Registry) Running() bool { return len(r.group().processes()) > 0 }

// anyUser is one that may push: the first by name with its present password.
func (r *Registry) anyUser() (user, password string, ok bool) {
	if r.Spec.Auth == registry.AuthNone {
		return "", "", false
	}
	users, err := r.Users()
	if err != nil || len(users) == 0 {
		return "", "", false
	}
	user = slices.Sorted(maps.Keys(users))[0]
	return user, users[user], true
}

func (r *Registry) tlsConfig() (*tls.Config, error) {
	if !r.Spec.TLS {
		return nil, nil
	}
	pem, err := os.ReadFile(r.lab.CAFile())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", r.lab.CAFile())
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// Client is an HTTP client that reaches this registry from the operator's place,
// and trusts the lab's authority.
func (r *Registry) Client() (*http.Client, error) {
	t, err := r.transport()
	return &http.Client{Transport: t, Timeout: 30 * time.Second}, err
}
