package registry

import (
	"fmt"
	"strings"
	"unicode"
)

// Kind is what went wrong, as far as a person's next step depends on it.
type Kind string

// The values of Kind.
const (
	// Unreachable: nobody listens, no route, a proxy that fails, or a connection
	// that ends before an answer.
	Unreachable Kind = "unreachable"
	Timeout     Kind = "timeout"
	DNS         Kind = "dns"
	// HTTPOnHTTPS: the URL says http, the server wants TLS.
	HTTPOnHTTPS Kind = "http-on-https"
	// HTTPSOnHTTP: the URL says https, the server speaks plain HTTP.
	HTTPSOnHTTP Kind = "https-on-http"
	UnknownCA   Kind = "unknown-ca"
	// SAN: the certificate is for other names or addresses.
	SAN     Kind = "san"
	Expired Kind = "expired"
	// ClientCert: the server wants a client certificate, or another one.
	ClientCert Kind = "client-cert"
	// BadCredential: the user name or password is wrong, or none was given and one is needed.
	BadCredential Kind = "credential"
	MissingImage  Kind = "missing-image"
	// NoRights: the credential is good, but not for this image.
	NoRights     Kind = "no-rights"
	NotARegistry Kind = "not-a-registry"
	Other        Kind = "other"
)

// Error is why a registry could not be asked or said no. Text and Hint are one
// line each and hold no secret.
type Error struct {
	Kind Kind
	// Endpoint is the URL of the endpoint as in the spec.
	Endpoint string
	Text     string
	// Hint says what a person can do. It is not part of Error.
	Hint string

	cause error
}

// Error is the endpoint and the text on one line.
func (e *Error) Error() string { return e.Endpoint + ": " + e.Text }

// Unwrap gives the error of the network or the context, if there is one.
func (e *Error) Unwrap() error { return e.cause }

func (a *asker) fail(k Kind, hint, format string, args ...any) *Error {
	return &Error{Kind: k, Endpoint: a.answer.Endpoint, Text: clean(fmt.Sprintf(format, args...)), Hint: clean(hint)}
}

// maxText is how much is shown of a text that a server has a part in, in bytes.
const maxText = 400

// clean makes text of elsewhere fit for a terminal: one line, printable, short.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}
