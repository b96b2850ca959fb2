package transport

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// keyLine is a line of known_hosts.
func keyLine(host string, key ssh.PublicKey) string {
	return host + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func bracketed(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return "[" + host + "]:" + port
}

// certFor is a host certificate of an authority.
func certFor(t *testing.T, authority, key ssh.Signer, principals ...string) ssh.Signer {
	t.Helper()
	cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: principals, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(bytes.NewReader(bytes.Repeat([]byte{7}, 1024)), authority); err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHostKeys(t *testing.T) {
	ed, ed2, rsaKey, authority := newSigner(t), newSigner(t), newRSASigner(t), newSigner(t)
	cases := map[string]struct {
		server []ssh.Signer
		known  func(addr string) string
		accept bool
		args   []string
		kind   Kind // empty: the connection works
		says   string
	}{
		"known": {server: []ssh.Signer{ed}, known: func(a string) string { return keyLine(bracketed(a), ed.PublicKey()) }},
		"known by a hashed name": {server: []ssh.Signer{ed}, known: func(a string) string {
			return keyLine(knownhosts.HashHostname(bracketed(a)), ed.PublicKey())
		}},
		"known by ed25519, the server prefers rsa": {server: []ssh.Signer{rsaKey, ed}, known: func(a string) string {
			return keyLine(bracketed(a), ed.PublicKey())
		}},
		"known by rsa, the server has ed25519 too": {server: []ssh.Signer{ed, rsaKey}, known: func(a string) string {
			return keyLine(bracketed(a), rsaKey.PublicKey())
		}},
		"odd lines around it do not matter": {server: []ssh.Signer{ed}, known: func(a string) string {
			return "garbage\n@nonsense x y z\n|1|x|y ssh-ed25519 AAAA\n" + keyLine(bracketed(a), ed.PublicKey()) + "\nhost ssh-future AAAAC3Nz\n"
		}},
		"unknown": {server: []ssh.Signer{ed}, known: func(string) string { return keyLine("other.example.com", ed.PublicKey()) },
			kind: KindHostKey, says: "--accept-new-host-keys"},
		"no file": {server: []ssh.Signer{ed}, kind: KindHostKey, says: "is not in known_hosts"},
		"known on another port only": {server: []ssh.Signer{ed}, known: func(string) string { return keyLine("127.0.0.1", ed.PublicKey()) },
			kind: KindHostKey, says: "is not in known_hosts"},
		"unknown and accepted": {server: []ssh.Signer{ed}, accept: true},
		"changed": {server: []ssh.Signer{ed2}, known: func(a string) string { return "# mine\n" + keyLine(bracketed(a), ed.PublicKey()) },
			kind: KindHostKey, says: "known_hosts:2 knows ssh-ed25519"},
		"changed, odd lines before it": {server: []ssh.Signer{ed2}, known: func(a string) string { return "odd\n\n" + keyLine(bracketed(a), ed.PublicKey()) },
			kind: KindHostKey, says: "known_hosts:3 knows ssh-ed25519"},
		"changed is not accepted as new": {server: []ssh.Signer{ed2}, known: func(a string) string { return keyLine(bracketed(a), ed.PublicKey()) },
			accept: true, kind: KindHostKey, says: "has changed"},
		"changed to another type": {server: []ssh.Signer{rsaKey}, known: func(a string) string { return keyLine(bracketed(a), ed.PublicKey()) },
			accept: true, kind: KindHostKey, says: "has changed: it shows ssh-rsa"},
		"changed, unchecked by -o": {server: []ssh.Signer{ed2}, known: func(a string) string { return keyLine(bracketed(a), ed.PublicKey()) },
			args: []string{"-o", "StrictHostKeyChecking=no"}, kind: KindHostKey, says: "has changed"},
		"unknown, unchecked by -o": {server: []ssh.Signer{ed}, args: []string{"-o", "StrictHostKeyChecking=no"}},
		"revoked": {server: []ssh.Signer{ed}, known: func(a string) string {
			return keyLine(bracketed(a), ed.PublicKey()) + "\n@revoked " + keyLine("*", ed.PublicKey())
		}, accept: true, kind: KindHostKey, says: "revoked at"},
		"certificate of an authority": {server: []ssh.Signer{certFor(t, authority, ed, "127.0.0.1"), ed}, known: func(a string) string {
			_, port, _ := net.SplitHostPort(a)
			return "@cert-authority " + keyLine("[*]:"+port, authority.PublicKey())
		}},
		"certificate of nobody, plain key known": {server: []ssh.Signer{certFor(t, ed2, ed, "127.0.0.1"), ed}, known: func(a string) string {
			return keyLine(bracketed(a), ed.PublicKey())
		}},
		"no certificate of the authority": {server: []ssh.Signer{ed}, known: func(a string) string {
			_, port, _ := net.SplitHostPort(a)
			return "@cert-authority " + keyLine("[*]:"+port, authority.PublicKey())
		}, accept: true, kind: KindHostKey, says: "no certificate of the authority at"},
		"by its HostKeyAlias": {server: []ssh.Signer{ed}, known: func(string) string { return keyLine("cluster-node", ed.PublicKey()) },
			args: []string{"-o", "HostKeyAlias=cluster-node"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil, c.server...)
			d := dialer(t)
			d.Options.AcceptNewHostKeys = c.accept
			file := d.Options.KnownHosts[0]
			before := ""
			if c.known != nil {
				before = c.known(s.addr)
				if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			target := node(t, s.addr)
			target.SSHArgs = c.args
			conn, err := d.Connect(t.Context(), target)
			if err == nil {
				defer func() { _ = conn.Close() }()
			}
			if c.kind != "" {
				wantError(t, err, c.kind, c.says)
			} else if err != nil {
				t.Fatal(err)
			}
			after, _ := os.ReadFile(file)
			if c.accept && c.kind == "" {
				if want := keyLine(bracketed(s.addr), ed.PublicKey()) + "\n"; string(after) != want {
					t.Errorf("known_hosts is %q, want %q", after, want)
				}
			} else if string(after) != before {
				t.Errorf("known_hosts was changed from %q to %q", before, after)
			}
			if name == "unknown, unchecked by -o" && len(conn.Facts().Warnings) != 1 {
				t.Errorf("warnings are %q, want one about the host key", conn.Facts().Warnings)
			}
		})
	}
}

func TestNewHostKeysAreAddedOnceAndInWhole(t *testing.T) {
	var servers []*testServer
	for range 6 {
		servers = append(servers, serve(t, nil))
	}
	d := dialer(t)
	file := d.Options.KnownHosts[0]
	if err := os.WriteFile(file, []byte("# without a newline"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 18 {
		wg.Go(func() {
			conn, err := d.Connect(t.Context(), node(t, servers[i%6].addr))
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close()
		})
	}
	wg.Wait()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) != 7 || lines[0] != "# without a newline" {
		t.Errorf("known_hosts has %d lines, want 7:\n%s", len(lines), b)
	}
}

// FuzzKnownHosts: whatever is in the file, it is read, and a line that is kept
// keeps its number.
func FuzzKnownHosts(f *testing.F) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(nobodysKey())))
	for _, s := range []string{"", "x", "[1 " + key, "!", "! " + key, "|1|a|b " + key, "|2|YQ==|YQ== " + key, "@revoked * " + key,
		"@cert-authority @revoked a " + key, ",,! " + key, "[a]:b:c " + key, "a " + key + "\n\x00", " \t" + key, "[ " + key, "[]]:1 " + key} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, s string) {
		name := filepath.Join(dir, "known_hosts")
		good := "sure.example.com " + key
		if err := os.WriteFile(name, []byte(s+"\n"+good+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		known, err := readKnownKeys([]string{name})
		if err != nil {
			t.Fatalf("%q cannot be read: %v", s, err)
		}
		if err := known.check("sure.example.com:22", noAddr, nobodysKey()); err != nil && !strings.Contains(s, "revoked") {
			t.Fatalf("the good line after %q is lost: %v", s, err)
		}
		for _, k := range known.keysFor("sure.example.com:22") {
			if want := fmt.Sprintf("%s:", name); !strings.HasPrefix(known.place(k), want) {
				t.Fatalf("place is %s, want it in %s", known.place(k), want)
			}
		}
	})
}
