package config

import (
	"errors"
	"strings"
	"testing"
)

// FuzzCertificates: whatever stands in the files under tls, what is accepted is
// certificates that a TLS stack takes, no key is among what nodes make readable, and
// no problem quotes a key.
func FuzzCertificates(f *testing.F) {
	fix := newFixture(f)
	for _, ca := range []string{"harbor-ca.pem", "expired.pem", "client.key", "der.pem", "empty.pem", "garbage.pem"} {
		f.Add(fix.files[ca], fix.files["client.pem"], fix.files["client.key"])
		f.Add(fix.files["harbor-ca.pem"], fix.files["client.pem"], fix.files[ca])
	}
	f.Add(append(append([]byte(nil), fix.files["harbor-ca.pem"]...), fix.files["client.key"]...), fix.files["client.pem"], fix.files["other.key"])
	const text = `apiVersion: pullway.dev/v1alpha1
kind: RegistryConfig
metadata: {name: default}
spec:
  registries:
    - host: harbor.example.com
      endpoints: [{url: "https://harbor.example.com", tls: {caFile: fuzz-ca, certFile: fuzz-cert, keyFile: fuzz-key}}]
`
	f.Fuzz(func(t *testing.T, ca, cert, key []byte) {
		fix.files["fuzz-ca"], fix.files["fuzz-cert"], fix.files["fuzz-key"] = ca, cert, key
		l, err := Parse(t.Context(), []byte(text), "x.yaml", fix.sources(), atTestNow())
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("%T", err)
			}
			for _, p := range problems {
				if strings.ContainsAny(p.String()+p.Hint, "\n\r\x00\x1b") {
					t.Fatalf("not one line: %q", p)
				}
			}
			return
		}
		e := l.Desired.Registries[0].Endpoints[0]
		if len(e.CA) == 0 || strings.Contains(string(e.CA), "PRIVATE KEY-----") {
			t.Fatalf("accepted as authorities: %q", e.CA)
		}
		if len(e.Cert) == 0 || e.Key.IsZero() {
			t.Fatal("the client certificate is lost")
		}
	})
}
