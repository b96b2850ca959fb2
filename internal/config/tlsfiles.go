package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/secret"
)

// tlsFiles reads the files of t into e. A certificate that containerd would
// trip over is a problem; one that has expired is a warning, because the
// server's may have expired with it and be renewed under the same authority.
func (r *resolver) tlsFiles(at string, t v1alpha1.TLS, e *Endpoint) {
	e.InsecureSkipVerify = t.InsecureSkipVerify
	if t.CAFile != "" {
		e.CA = r.certificates(at+".caFile", t.CAFile)
	}
	if t.CertFile == "" || t.KeyFile == "" {
		return
	}
	cert, key := r.certificates(at+".certFile", t.CertFile), r.read(at+".keyFile", t.KeyFile)
	if cert == nil || key == nil {
		return
	}
	// The check that containerd makes for each pull.
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		r.check.problem(at+".keyFile", fmt.Sprintf("%s is not the PEM key of %s: %s", show(t.KeyFile), show(t.CertFile), oneLine(strings.TrimPrefix(err.Error(), "tls: "))), "")
		return
	}
	e.Cert, e.Key = cert, secret.New(string(key))
}

// certificates reads a file of PEM certificates and nothing else.
func (r *resolver) certificates(at, name string) []byte {
	b := r.read(at, name)
	if b == nil {
		return nil
	}
	n := 0
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			r.check.problem(at, show(name)+" holds a private key", "keep it in a file of its own; this one is readable for everybody on nodes")
			return nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			r.check.problem(at, fmt.Sprintf("%s: certificate %d cannot be read: %s", show(name), n+1, oneLine(err.Error())), "")
			return nil
		}
		n++
		r.validity(at, name, cert)
	}
	if n == 0 {
		r.check.problem(at, show(name)+" holds no PEM certificate", "openssl x509 -inform der -in FILE turns DER into PEM")
		return nil
	}
	return b
}

func (r *resolver) validity(at, name string, cert *x509.Certificate) {
	switch {
	case r.now.After(cert.NotAfter):
		r.check.warn(at, fmt.Sprintf("%s: the certificate of %q has expired on %s", show(name), cert.Subject.CommonName, cert.NotAfter.Format(time.DateOnly)), "")
	case r.now.Before(cert.NotBefore):
		r.check.warn(at, fmt.Sprintf("%s: the certificate of %q is not valid before %s", show(name), cert.Subject.CommonName, cert.NotBefore.Format(time.DateOnly)), "")
	}
}

// read returns the bytes of a file beside the spec; nil after a problem.
func (r *resolver) read(at, name string) []byte {
	if r.sources.ReadFile == nil {
		r.check.problem(at, "files cannot be read here", "")
		return nil
	}
	b, err := r.sources.ReadFile(r.path(name))
	switch {
	case err != nil:
		r.check.problem(at, fmt.Sprintf("%s: %s", show(name), fileFault(err)), "names are relative to the file that holds the RegistryConfig")
		return nil
	case len(b) > MaxBytes:
		r.check.problem(at, fmt.Sprintf("%s is larger than %d bytes", show(name), MaxBytes), "")
		return nil
	case len(bytes.TrimSpace(b)) == 0:
		r.check.problem(at, show(name)+" is empty", "")
		return nil
	}
	return b
}

// fileFault is the system's reason without the name, which the message has.
func fileFault(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return oneLine(err.Error())
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
