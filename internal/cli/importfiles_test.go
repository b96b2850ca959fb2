package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// authority makes a self-signed certificate in PEM.
func authority(t testing.TB, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestCAFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	a, b := authority(t, "a"), authority(t, "b")
	f := &caFiles{dir: dir}
	first, err := f.add(a)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := f.add(a); again != first || len(f.order) != 1 {
		t.Errorf("one authority has two files: %s, %s", first, again)
	}
	second, _ := f.add(append([]byte("# the second\n"), b...))
	for range 2 {
		if err := f.write(); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(second); !strings.HasPrefix(string(got), "# the second\n-----BEGIN") {
		t.Errorf("%q", got)
	}
	// A link that stands in the way is not written through.
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, first); err != nil {
		t.Fatal(err)
	}
	if err := f.write(); err == nil || !strings.Contains(err.Error(), "holds something else") {
		t.Errorf("a link in the way: %v", err)
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("a link was written through")
	}
	for i := range maxImportedCAs {
		if _, err = f.add(append([]byte(fmt.Sprintf("# %d\n", i)), a...)); err != nil {
			break
		}
	}
	if err == nil {
		t.Errorf("%d files", len(f.order))
	}
}

var caName = regexp.MustCompile(`^/d/ca-[0-9a-f]{8}\.pem$`)

// FuzzImportedCA: what is written below --files has one form of name and holds
// certificates.
func FuzzImportedCA(f *testing.F) {
	a := authority(f, "a")
	f.Add(a)
	f.Add(append([]byte("#!/bin/sh\n"), a...))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		files := &caFiles{dir: "/d"}
		path, err := files.add(b)
		if err != nil {
			return
		}
		if !caName.MatchString(path) || !x509.NewCertPool().AppendCertsFromPEM(b) {
			t.Fatalf("%q of %q", path, b)
		}
	})
}
