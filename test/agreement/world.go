// Package agreement compares what a trace says with what containerd does: a set of
// registries that answer in every way that moves a pull on or ends it, and write down
// who is asked for what; configurations that lead to them; and the table of what came
// of each on each release.
package agreement

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pullway/pullway/test/rules"
)

// The addresses of the world, in a network of its own. Nobody is at deadAddress, and
// nothing says so to who asks.
const (
	Address     = "10.77.0.1"
	Address6    = "fd00:77::1"
	deadAddress = "10.77.0.99"
)

// Ports of every registry: http and https. Nothing listens on Refused.
var (
	httpPorts  = []string{"80", "5000"}
	httpsPorts = []string{"443", "8443"}
)

// strangers are hosts whose certificates an authority signs that only nodes told of it know;
// wrongName shows a certificate of another host, expired one of last year.
var strangers = []string{"private.example.com", "quay.io"}

// Hosts is the hosts file of the world.
func Hosts() string {
	text := "127.0.0.1 localhost\n" + deadAddress + " dead.example.com dead2.example.com\n" + Address
	for _, name := range names() {
		text += " " + name
	}
	return text + "\n"
}

func names() []string {
	all := []string{"registry-1.docker.io", "docker.io", "ghcr.io", "auth.example.com", "badname.example.com", "expired.example.com"}
	all = append(all, strangers...)
	for name := range behaviours {
		all = append(all, name+".example.com")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Event is one thing that came to the world: a request, or a TLS handshake that no
// request followed.
type Event struct {
	// Method is empty for a handshake.
	Method string `json:"method,omitempty"`
	// Where is scheme and host as they were asked for.
	Where string `json:"where"`
	// Path with its query.
	Path string `json:"path,omitempty"`
	// Authorization is the scheme of that header: Basic, Bearer, or nothing.
	Authorization string `json:"authorization,omitempty"`
	// Header is the value of X-Pullway.
	Header string `json:"header,omitempty"`
	// Status is what it was answered with.
	Status int `json:"status,omitempty"`
}

type world struct {
	images images
	certs  map[string]tls.Certificate

	mu     sync.Mutex
	events []*Event
}

// note writes an event down when it begins; its status comes later.
func (w *world) note(e Event) *Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, &e)
	return &e
}

func (w *world) answered(e *Event, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Status = status
}

// ControlSocket answers GET / with all events since the last time.
const ControlSocket = "control.sock"

// Serve serves the world in this process's own network until the process ends, and says
// ready once it does. In dir it leaves the certificates under the names of test/rules.
func Serve(dir string, ready func()) error {
	w := &world{certs: map[string]tls.Certificate{}}
	if err := w.certificates(dir); err != nil {
		return err
	}
	for _, args := range []string{
		"link set lo up", "link add world0 type bridge", "addr add " + Address + "/24 dev world0", "link set world0 up",
		"-6 addr add " + Address6 + "/64 dev world0 nodad",
		"link add far0 type veth peer name far1", "link set far0 up", "link set far1 up",
		// Packets to it go out and reach nobody.
		"route add " + deadAddress + "/32 dev far0 src " + Address, "neigh add " + deadAddress + " lladdr 02:00:00:00:00:99 dev far0",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	control, err := net.Listen("unix", filepath.Join(dir, ControlSocket))
	if err != nil {
		return err
	}
	failed := make(chan error, 16)
	serve := func(l net.Listener, scheme string) {
		server := http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.answer(rw, r, scheme) })}
		failed <- server.Serve(l)
	}
	for _, address := range []string{Address, Address6, "127.0.0.1"} {
		for _, port := range httpPorts {
			l, err := net.Listen("tcp", net.JoinHostPort(address, port))
			if err != nil {
				return err
			}
			go serve(peeking{l, w, port}, "http")
		}
		for _, port := range httpsPorts {
			l, err := net.Listen("tcp", net.JoinHostPort(address, port))
			if err != nil {
				return err
			}
			go serve(tls.NewListener(l, &tls.Config{GetCertificate: w.certificate(port)}), "https")
		}
	}
	proxy, err := net.Listen("tcp", net.JoinHostPort(Address, proxyPort))
	if err != nil {
		return err
	}
	go func() { failed <- http.Serve(proxy, http.HandlerFunc(w.proxy)) }()
	go func() { failed <- http.Serve(control, http.HandlerFunc(w.tell)) }()
	ready()
	return <-failed
}

// certificate notes each handshake: many of them fail over the certificate.
func (w *world) certificate(port string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := h.ServerName
		w.note(Event{Where: "https://" + name + ":" + port})
		if name == "" {
			name = "registry.example.com"
		}
		c, ok := w.certs[name]
		if !ok {
			return nil, fmt.Errorf("no host %q", name)
		}
		return &c, nil
	}
}

// peeking notes who speaks TLS to a plain port.
type peeking struct {
	net.Listener
	w    *world
	port string
}

func (p peeking) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &peeked{Conn: c, of: p}, nil
}

type peeked struct {
	net.Conn
	of   peeking
	once sync.Once
	r    *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) {
	p.once.Do(func() {
		p.r = bufio.NewReader(p.Conn)
		if first, err := p.r.Peek(1); err == nil && first[0] == 0x16 {
			p.of.w.note(Event{Where: "tls to plain port " + p.of.port})
		}
	})
	return p.r.Read(b)
}

func (w *world) certificates(dir string) error {
	system, err := rules.NewAuthority("the system's")
	if err != nil {
		return err
	}
	private, err := rules.NewAuthority("a registry's own")
	if err != nil {
		return err
	}
	for _, host := range names() {
		a := system
		if slices.Contains(strangers, host) {
			a = private
		}
		if w.certs[host], err = a.TLS(host); err != nil {
			return err
		}
	}
	w.certs["badname.example.com"] = w.certs["registry.example.com"]
	if w.certs["expired.example.com"], err = system.TLSUntil("expired.example.com", time.Now().Add(-time.Hour)); err != nil {
		return err
	}
	return rules.WriteTrust(dir, system, private)
}

// tell answers the test.
func (w *world) tell(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = json.NewEncoder(rw).Encode(w.events)
	w.events = nil
}
