package hoststoml

import "github.com/pullway/pullway/internal/config"

// Certificates are the names under which an endpoint's certificates stand in its
// host directory; empty where there is none.
type Certificates struct{ CA, Cert, Key string }

// CertificateNames tells the names that Render gives to an endpoint's
// certificates. Certificates without an end that fits are an *Error.
func CertificateNames(e config.Endpoint) (c Certificates, err error) {
	var d Directory
	var h Host
	if err := d.certificates(&h, e, ""); err != nil {
		return c, err
	}
	if len(h.CA) > 0 {
		c.CA = h.CA[0]
	}
	if len(h.Client) > 0 {
		c.Cert, c.Key = h.Client[0][0], h.Client[0][1]
	}
	return c, nil
}
