package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"

	"github.com/pullway/pullway/internal/secret"
)

var errNothingToRead = errors.New("there is nothing to read from here")

// Digest is a SHA-256 in hex of everything in d but its secrets and Accepts, so
// it may be shown and recorded, and is the same before and after the registry
// was asked, with and without secrets at hand. A changed password therefore
// does not change it: that is seen on the node, whose plan compares the file it
// would write with the one that is there.
func (d Desired) Digest() string {
	d.Registries = slices.Clone(d.Registries)
	for i := range d.Registries {
		r := &d.Registries[i]
		r.Endpoints = slices.Clone(r.Endpoints)
		for j := range r.Endpoints {
			r.Endpoints[j].Headers = slices.Clone(r.Endpoints[j].Headers)
		}
		if r.Auth != nil {
			a := *r.Auth
			a.Accepts = AcceptsUnknown
			r.Auth = &a
		}
	}
	for _, s := range d.secrets() {
		*s = secret.Value{}
	}
	// Strings, numbers and bytes only: it cannot fail.
	b, _ := json.Marshal(d)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
