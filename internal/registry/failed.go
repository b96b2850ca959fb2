package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

const (
	hintURL        = "check host, port and path of the endpoint's url"
	hintHTTPS      = "write https:// in the endpoint's url"
	hintClientCert = "give a client certificate that the server accepts as tls.certFile and tls.keyFile"
	hintHTTP       = "write http:// in the endpoint's url, if plain HTTP is meant"
)

// failed turns an error of the network into words. at is the address that was
// asked; it is named when it is not the endpoint's own.
func (a *asker) failed(err error, at *url.URL) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	kind, text, hint := a.explain(err, at)
	if !sameServer(at, a.root) {
		text = "sends on to " + at.Host + ", which fails: " + text
	}
	e := a.fail(kind, hint, "%s", text)
	e.cause = err
	return e
}

func (a *asker) explain(err error, at *url.URL) (kind Kind, text, hint string) {
	if kind, text, hint = explainCertificate(err, at, a.asked.Load()); kind != "" {
		return kind, text, hint
	}
	if kind, text, hint = explainProtocol(err); kind != "" {
		return kind, text, hint
	}
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return Other, "was interrupted", ""
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return Unreachable, "the proxy does not answer: " + op.Err.Error(), "check the proxy in the environment, or add the registry to NO_PROXY"
	case errors.As(err, &dns) && dns.IsNotFound:
		return DNS, "the name " + at.Hostname() + " is not known", "check the name, or the name servers of this machine"
	case errors.As(err, &dns):
		return DNS, "the name servers do not answer for " + at.Hostname(), "check the name servers of this machine"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Timeout, "no answer in time", "check that the port is open from here and no firewall drops packets"
	case errors.Is(err, syscall.ECONNREFUSED):
		return Unreachable, "connection refused on port " + port(at), "check the port, and that the registry runs"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable, "no route to " + at.Hostname(), "check the address and the network"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return Unreachable, "closes the connection without an answer", "check the port, and whether it wants http or https"
	}
	return Other, err.Error(), ""
}

func explainCertificate(err error, at *url.URL, asked bool) (kind Kind, text, hint string) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return UnknownCA, "the certificate is signed by an unknown authority", "give the authority's certificate as tls.caFile"
	case errors.As(err, &name):
		hint = "use a name that the certificate holds in the endpoint's url, or have it issued for this one"
		if net.ParseIP(at.Hostname()) != nil {
			hint = "have the certificate issued with the address as an IP SAN, or use a name that it holds"
		}
		return SAN, "the certificate does not fit: " + name.Error(), hint
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Expired, "the certificate is out of its time: " + invalid.Error(), "renew the certificate, or check the clock of this machine"
	case errors.As(err, &invalid):
		return UnknownCA, "the certificate cannot be used: " + invalid.Error(), "check the certificate and its authority"
	}
	// What the other side says in an alert is no typed error (Go 1.26). Up to TLS
	// 1.2 a missing client certificate is a mere "handshake failure", so it counts
	// whether one was asked for.
	_, alert, ok := strings.Cut(err.Error(), "remote error: tls: ")
	switch {
	case ok && (asked || alert == "certificate required"):
		return ClientCert, "the server wants another client certificate, or any: " + alert, hintClientCert
	case ok:
		return Other, "the server ends the TLS handshake: " + alert, "check which TLS versions and names the server accepts"
	}
	return "", "", ""
}

func explainProtocol(err error) (kind Kind, text, hint string) {
	text = err.Error()
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/":
		return HTTPSOnHTTP, "the server speaks plain HTTP on this port (server gave HTTP response to HTTPS client)", hintHTTP
	case errors.As(err, &record):
		return HTTPSOnHTTP, "the server does not speak TLS on this port", hintHTTP
	// 0x15 0x03 begins a TLS alert, 0x16 0x03 a handshake.
	case strings.Contains(text, `malformed HTTP response "\x15\x03`), strings.Contains(text, `malformed HTTP response "\x16\x03`):
		return HTTPOnHTTPS, "the server speaks TLS on this port", hintHTTPS
	case strings.Contains(text, "malformed "), strings.Contains(text, "server response headers exceeded"):
		return NotARegistry, "does not speak HTTP as a registry does", hintURL
	}
	return "", "", ""
}

// explainPage looks for what web servers say by a 400 when TLS is missing.
func (a *asker) explainPage(r *reply) *Error {
	if r.status != http.StatusBadRequest {
		return nil
	}
	page := strings.ToLower(string(r.body[:min(len(r.body), 4096)]))
	switch {
	case strings.Contains(page, "http request to an https server"), // Go
		strings.Contains(page, "plain http request was sent to https port"), // nginx
		strings.Contains(page, "speaking plain http to an ssl-enabled"):     // Apache
		return a.fail(HTTPOnHTTPS, hintHTTPS, "the server wants HTTPS on this port")
	case strings.Contains(page, "no required ssl certificate was sent"), strings.Contains(page, "ssl certificate error"): // nginx
		return a.fail(ClientCert, hintClientCert, "the server wants a client certificate")
	}
	return nil
}
