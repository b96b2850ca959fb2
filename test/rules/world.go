package rules

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// The world of the examples: registries that answer as real ones do, and write down
// who was asked for what. All of them have one address, in a network of their own.
const worldAddress = "10.77.0.1"

// trusted are the hosts whose certificates the system's authorities sign, stranger
// those of an authority that nobody knows.
var (
	trusted  = []string{"registry.example.com", "mirror.example.com", "auth.example.com", "ghcr.io", "registry-1.docker.io", "docker.io", "httpbin.example.com"}
	stranger = []string{"private.example.com", "quay.io"}
)

// Hosts is the hosts file of the world.
func Hosts() string {
	text := "127.0.0.1 localhost\n"
	for _, name := range append(append([]string{}, trusted...), stranger...) {
		text += worldAddress + " " + name + "\n"
	}
	return text
}

// The files that Serve leaves in its folder.
const (
	SystemCA  = "system.pem"
	PrivateCA = "private.pem"
	CertFile  = "cert.pem"
	KeyFile   = "key.pem"
	// ControlSocket answers GET /asked?key=KEY with a list of Asked.
	ControlSocket = "control.sock"
)

// Asked is one request to a registry.
type Asked struct {
	Method string `json:"method"`
	// Where is scheme, host and the path before the repository, without the usual /v2.
	Where string `json:"where"`
	// ByTag tells a request for the manifest by its tag.
	ByTag bool `json:"byTag"`
	// Credential tells that an Authorization header was sent.
	Credential bool `json:"credential"`
}

type world struct {
	images images
	certs  map[string]tls.Certificate

	mu    sync.Mutex
	asked map[string][]Asked
}

// Serve serves the world in this process's own network until the process ends, and says ready
// once it does.
func Serve(dir string, ready func()) error {
	w := &world{certs: map[string]tls.Certificate{}, asked: map[string][]Asked{}}
	if err := w.certificates(dir); err != nil {
		return err
	}
	for _, args := range []string{"link set lo up", "link add world0 type bridge", "addr add " + worldAddress + "/24 dev world0", "link set world0 up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	control, err := net.Listen("unix", filepath.Join(dir, ControlSocket))
	if err != nil {
		return err
	}
	failed := make(chan error, 7)
	// A registry on the node itself speaks plain HTTP only.
	for _, address := range []string{worldAddress + ":80", worldAddress + ":443", worldAddress + ":5000", worldAddress + ":8443", "127.0.0.1:80", "127.0.0.1:5000"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		scheme := "http"
		if strings.HasSuffix(address, "443") {
			scheme = "https"
			l = tls.NewListener(l, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
				c, ok := w.certs[h.ServerName]
				if !ok {
					return nil, fmt.Errorf("no host %q", h.ServerName)
				}
				return &c, nil
			}})
		}
		go func() {
			// What ErrorLog says is what the examples are about: certificates that nobody knows.
			server := http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.answer(rw, r, scheme) })}
			failed <- server.Serve(l)
		}()
	}
	go func() { failed <- http.Serve(control, http.HandlerFunc(w.tell)) }()
	ready()
	return <-failed
}

func (w *world) certificates(dir string) error {
	system, err := NewAuthority("the system's")
	if err != nil {
		return err
	}
	private, err := NewAuthority("a registry's own")
	if err != nil {
		return err
	}
	for a, hosts := range map[*Authority][]string{system: trusted, private: stranger} {
		for _, host := range hosts {
			if w.certs[host], err = a.TLS(host); err != nil {
				return err
			}
		}
	}
	return WriteTrust(dir, system, private)
}

// tell answers the test.
func (w *world) tell(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = json.NewEncoder(rw).Encode(w.asked[r.URL.Query().Get("key")])
}
