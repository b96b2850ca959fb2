package config

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/secret"
)

var update = flag.Bool("update", false, "write golden files")

// password is in many inputs and must be in no message.
const password = "Harbor12345"

// nasty is a password that shells, TOML, YAML and templates would trip over.
const nasty = "a'b\"c\\d$(id)`e`{{.}}%s ü\tj"

// testNow is when the tests take place.
var testNow = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func atTestNow() Option { return WithClock(func() time.Time { return testNow }) }

// fixture is the outside of the specs in testdata: variables, and files that
// are made here because keys do not belong into a repository.
type fixture struct {
	env   map[string]string
	files map[string][]byte
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	ca, _ := newCert(t, "Example CA", testNow.AddDate(1, 0, 0))
	old, _ := newCert(t, "Old CA", testNow.AddDate(-1, 0, 0))
	cert, key := newCert(t, "client", testNow.AddDate(1, 0, 0))
	_, otherKey := newCert(t, "other", testNow.AddDate(1, 0, 0))
	der, _ := pem.Decode(ca)
	auth := base64.StdEncoding.EncodeToString([]byte("robot$docker:" + password))
	return fixture{
		env: map[string]string{"HARBOR_PASSWORD": password, "EMPTY_PASSWORD": "", "PADDED_PASSWORD": " " + password, "HOME": "/home/op"},
		files: map[string][]byte{
			"harbor-ca.pem": ca, "expired.pem": append(append([]byte("# bundle\n"), ca...), old...),
			"client.pem": cert, "client.key": key, "other.key": otherKey, "der.pem": der.Bytes, "empty.pem": []byte("\n"),
			"garbage.pem":       []byte("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"),
			"line-end.pass":     []byte(password + "\n\n"),
			"nasty.pass":        []byte(nasty + "\n"),
			"config.json":       []byte(`{"auths":{"harbor.example.com":{"auth":"` + auth + `"},"https://index.docker.io/v1/":{"auth":"` + auth + `"}}}`),
			"config-other.json": []byte(`{"auths":{"other.example.com":{"auth":"` + auth + `"}}}`),
		},
	}
}

func (f fixture) sources() secret.Sources {
	return secret.Sources{
		LookupEnv: func(name string) (string, bool) { v, ok := f.env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if b, ok := f.files[filepath.Base(path)]; ok {
				return b, nil
			}
			if strings.HasPrefix(path, "testdata") && strings.HasSuffix(path, ".yaml") {
				return os.ReadFile(path)
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		Vault: func(_ context.Context, _, key, _ string) (string, error) {
			if key == "wrong" {
				return "", errors.New("vault file: wrong vault password")
			}
			return "from the vault", nil
		},
	}
}

func newCert(t testing.TB, name string, notAfter time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: testNow.AddDate(-2, 0, 0), NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

// golden compares with a file, and writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, -update writes it):\n%s", path, diff)
	}
}

// listing is problems as people read them.
func listing(ps Problems) string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String() + "\n")
		if p.Hint != "" {
			b.WriteString("  hint: " + p.Hint + "\n")
		}
	}
	return b.String()
}

// assertProblemsAreFit fails when a password of the fixture stands in text, and when
// a problem is not one line.
func assertProblemsAreFit(t testing.TB, ps Problems) {
	t.Helper()
	for _, p := range ps {
		for _, s := range []string{p.String(), p.Hint} {
			if strings.Contains(s, password) {
				t.Errorf("shows the password: %s", s)
			}
			if strings.ContainsAny(s, "\n\r\x00\x1b") {
				t.Errorf("is not one plain line: %q", s)
			}
			if len(s) > 1200 {
				t.Errorf("is %d bytes long: %.100q", len(s), s)
			}
		}
		if p.Text == "" {
			t.Errorf("a problem without text: %+v", p)
		}
	}
}
