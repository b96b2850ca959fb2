package rules

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Authority signs the certificates of a test.
type Authority struct {
	// PEM is its own certificate.
	PEM  []byte
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one of that name.
func NewAuthority(name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := template(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), cert: cert, key: key}, err
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
}

// Pair is a certificate for a host with its key, both PEM.
func (a *Authority) Pair(host string) (cert, key []byte, err error) {
	return a.pairUntil(host, time.Now().Add(24*time.Hour))
}

func (a *Authority) pairUntil(host string, end time.Time) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := template(host)
	t.DNSNames, t.KeyUsage, t.NotAfter = []string{host}, x509.KeyUsageDigitalSignature, end
	t.NotBefore = end.Add(-48 * time.Hour)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, k.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}

// TLS is Pair for a server.
func (a *Authority) TLS(host string) (tls.Certificate, error) {
	return a.TLSUntil(host, time.Now().Add(24*time.Hour))
}

// TLSUntil is TLS with the end of the certificate's time.
func (a *Authority) TLSUntil(host string, end time.Time) (tls.Certificate, error) {
	cert, key, err := a.pairUntil(host, end)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// WriteTrust puts into dir what a node has of two authorities: the certificates of both,
// and a client certificate of the private one with its key.
func WriteTrust(dir string, system, private *Authority) error {
	cert, key, err := private.Pair("node1")
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{SystemCA: system.PEM, PrivateCA: private.PEM, CertFile: cert, KeyFile: key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
