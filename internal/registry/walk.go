package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// Walk is one host asked for one image, step by step.
type Walk struct {
	// Namespace is sent as the ns parameter; empty for none.
	Namespace string
	// HeaderToToken sends an Authorization header of the endpoint to the token
	// service, as containerd does since 2.1.
	HeaderToToken bool
}

// Step is one thing that was done, with the time it took. Text is one line.
type Step struct {
	Name, Text string
	Took       time.Duration
}

// maxSteps bounds what is kept of one walk: redirects dial anew.
const maxSteps = 32

// Walk asks ep for the manifest of an image as containerd does: without asking for
// anything before, with a token when the registry wants one, and with auth (nil for
// none) when it asks for it. It sends a wrong password once. stops tells that the
// answer ends a pull, where containerd tries the next host after any other error.
// All requests together take at most six time-outs.
func (w Walk) Ask(ctx context.Context, ep config.Endpoint, auth *config.Auth, image Image, opt Options) (steps []Step, stops bool, err error) {
	a, err := newAsker(ep, auth, opt)
	if err != nil {
		return nil, false, err
	}
	defer a.transport.CloseIdleConnections()
	a.namespace = w.Namespace
	ctx, cancel := context.WithTimeout(ctx, maxTimeouts*a.timeout)
	defer cancel()
	s := &walked{}
	r, err := w.manifest(s.watch(ctx), s, a, image)
	if err == nil {
		stops = isRedirect(r.status)
		err = a.verdict(r, image)
	}
	return s.all(), stops, err
}

func (w Walk) manifest(ctx context.Context, s *walked, a *asker, image Image) (*reply, error) {
	r, err := w.timed(s, "manifest", func() (*reply, error) { return a.manifest(ctx, image, secret.Value{}) })
	if err != nil || r.status != http.StatusUnauthorized {
		return r, err
	}
	if e := a.explainPage(r); e != nil {
		return nil, e
	}
	credential := a.basic
	if _, _, ok := a.bearer(r); ok {
		if credential.IsZero() && w.HeaderToToken {
			credential = authorization(a.headers)
		}
		began := time.Now()
		headers := a.headers
		if !w.HeaderToToken {
			a.headers = nil // a token service at the same address gets none either
		}
		token, err := a.token(ctx, r, scope(image), credential)
		a.headers = headers
		text := "from " + a.realm.Host + ", for nobody"
		if !credential.IsZero() {
			text = "from " + a.realm.Host + ", with the credential"
		}
		if err != nil {
			text = "refused by " + a.realm.Host
		}
		s.add("token", text, time.Since(began))
		if err != nil {
			return nil, err
		}
		return w.timed(s, "manifest", func() (*reply, error) { return a.manifest(ctx, image, token) })
	}
	if credential.IsZero() && !authorization(a.headers).IsZero() {
		return nil, a.fail(BadCredential, "check the user name and password in the header, or whether it expired", "refuses the Authorization header")
	}
	if _, ok := find(r.challenges, "basic"); !ok || credential.IsZero() {
		return r, nil
	}
	r, err = w.timed(s, "manifest", func() (*reply, error) { return a.manifest(ctx, image, credential) })
	if err == nil && r.status == http.StatusUnauthorized {
		return nil, a.refused()
	}
	return r, err
}

// timed notes a request for the manifest: its status, or that there was none.
func (w Walk) timed(s *walked, name string, do func() (*reply, error)) (*reply, error) {
	began, dialled := time.Now(), s.total()
	r, err := do()
	if took := time.Since(began) - (s.total() - dialled); err == nil {
		s.add(name, fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)), took)
	}
	return r, err
}

// authorization is what the headers say for the token service.
func authorization(all []config.Header) secret.Value {
	for _, h := range all {
		if strings.EqualFold(h.Name, "Authorization") {
			return h.Value
		}
	}
	return secret.Value{}
}

// walked collects steps; the network tells them from other goroutines.
type walked struct {
	mu    sync.Mutex
	steps []Step
	sum   time.Duration
}

func (s *walked) add(name, text string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum += took
	if len(s.steps) < maxSteps {
		s.steps = append(s.steps, Step{name, clean(text), took})
	}
}

func (s *walked) total() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum
}

func (s *walked) all() []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Step(nil), s.steps...)
}

// watch notes names that are looked up, connections and TLS handshakes.
func (s *walked) watch(ctx context.Context) context.Context {
	var mu sync.Mutex
	began := map[string]time.Time{}
	start := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		began[what] = time.Now()
	}
	took := func(what string) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Since(began[what])
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(i httptrace.DNSStartInfo) { start("dns") },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			var found []string
			for _, a := range i.Addrs[:min(len(i.Addrs), 4)] {
				found = append(found, a.String())
			}
			text := strings.Join(found, ", ")
			if i.Err != nil {
				text = "not found"
			}
			s.add("dns", text, took("dns"))
		},
		ConnectStart: func(_, addr string) { start("connect " + addr) },
		ConnectDone: func(_, addr string, err error) {
			text := addr
			if err != nil {
				text += ", no connection"
			}
			s.add("connect", text, took("connect "+addr))
		},
		TLSHandshakeStart: func() { start("tls") },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			s.add("tls", handshake(state, err), took("tls"))
		},
	})
}

// handshake says what a server showed: names, issuer and end of its certificate.
func handshake(state tls.ConnectionState, err error) string {
	chain := state.PeerCertificates
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) {
		chain = refused.UnverifiedCertificates
	}
	text := "no handshake"
	if err == nil {
		text = tls.VersionName(state.Version)
	} else if refused != nil {
		text = "certificate not taken"
	}
	if len(chain) > 0 {
		c := chain[0]
		text += fmt.Sprintf(": for %s, by %s, until %s", strings.Join(namesOf(c), " "), c.Issuer.CommonName, c.NotAfter.UTC().Format(time.DateOnly))
		if len(chain) > 1 {
			text += fmt.Sprintf(", chain of %d", len(chain))
		}
	}
	return text
}

func namesOf(c *x509.Certificate) (names []string) {
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{c.Subject.CommonName + " (no SAN)"}
	}
	return names[:min(len(names), 4)]
}
