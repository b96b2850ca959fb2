package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// Step is one thing that was done, with the time it took. Text is one line.
type Step struct {
	Name, Text string
	Took       time.Duration
}

// maxSteps bounds what is kept of one walk: redirects dial anew.
const maxSteps = 32

// walked collects steps; the network tells them from other goroutines.
type walked struct {
	mu    sync.Mutex
	steps []Step
	// began is when the present request began, or had its connection; sum is what was
	// noted since.
	began time.Time
	sum   time.Duration
	has   bool
}

// begin is the beginning of a request.
func (s *walked) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began, s.sum, s.has = time.Now(), 0, false
}

// connected is the moment at which a request has its first connection.
func (s *walked) connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.has {
		s.began, s.sum, s.has = time.Now(), 0, true
	}
}

// took is the time of the present request without what was noted of it by itself.
func (s *walked) took() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(time.Since(s.began)-s.sum, 0)
}

func (s *walked) add(name, text string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum += took
	if len(s.steps) < maxSteps {
		s.steps = append(s.steps, Step{name, clean(text), took})
	}
}

// take gives the steps, and forgets them.
func (s *walked) take() []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	steps := s.steps
	s.steps = nil
	return steps
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
		GotConn:  func(httptrace.GotConnInfo) { s.connected() },
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
