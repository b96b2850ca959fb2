package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

func clientPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestAskClientCertificate(t *testing.T) {
	cert, key := clientPair(t)
	_, otherKey := clientPair(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := httptest.NewUnstartedServer(htpasswd(false))
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: version}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		for _, tc := range []struct {
			name      string
			cert, key []byte
			want      Kind
		}{
			{"right", cert, key, ""},
			{"none", nil, nil, ClientCert},
			{"of another key", cert, otherKey, Other},
			{"no key", cert, nil, Other},
		} {
			ep := config.Endpoint{URL: s.URL, CA: ca, Cert: tc.cert, Key: secret.New(string(tc.key))}
			_, err := Ask(context.Background(), ep, good, []Image{private}, Options{})
			if kindOf(err) != tc.want {
				t.Errorf("%s, %s: %q %v, want %q", tls.VersionName(version), tc.name, kindOf(err), err, tc.want)
			}
			checkLine(t, err)
		}
	}
}

func TestAskVerdicts(t *testing.T) {
	for _, tc := range []struct {
		status int
		auth   *config.Auth
		want   Kind
	}{
		{http.StatusForbidden, good, NoRights},
		{http.StatusForbidden, nil, BadCredential},
		{http.StatusTooManyRequests, good, Other},
		{http.StatusServiceUnavailable, good, Other},
		{http.StatusTeapot, good, Other},
	} {
		ep, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, ok := repository(r.URL.Path); ok {
				w.WriteHeader(tc.status)
				return
			}
			_, _ = io.WriteString(w, "{}")
		}))
		_, err := Ask(context.Background(), ep, tc.auth, []Image{private}, Options{})
		if kindOf(err) != tc.want {
			t.Errorf("%d: %q %v, want %q", tc.status, kindOf(err), err, tc.want)
		}
		checkLine(t, err)
	}
}
