// Package secret keeps passwords out of everything that people and programs
// read: a Value prints as *** whatever is asked of it, and Sources knows the
// places a secret may come from. It is a leaf: it knows nothing of the spec.
package secret

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"unique"
)

// Mask is what stands in place of every secret.
const Mask = "***"

// Value is a secret. Every way of printing it (fmt with any verb, JSON, text
// encodings, slog) gives Mask; an empty Value prints as the empty string, so
// that "none" and "hidden" can be told apart. Only Reveal gives the plain text.
//
// Two Values of the same text are equal with ==, and a Value may be a map key.
type Value struct {
	// A handle, not a string: fmt prints what it finds in unexported fields of
	// other people's structs, and for %p and %w, without asking Format. Of a
	// handle it finds an address.
	plain unique.Handle[string]
}

// New makes a Value of plain text. New("") is the zero Value.
func New(plain string) Value {
	if plain == "" {
		return Value{}
	}
	return Value{unique.Make(plain)}
}

// Reveal returns the plain text. Call it where bytes leave for their one
// destination, and nowhere else.
func (v Value) Reveal() string {
	if v.IsZero() {
		return ""
	}
	return v.plain.Value()
}

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v == Value{} }

// Equal reports whether both hold the same text, in a time that depends on the
// lengths only. go-cmp finds it, so structs that hold Values can be compared.
func (v Value) Equal(o Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(o.Reveal())) == 1
}

// String returns Mask, or "" for an empty secret.
func (v Value) String() string {
	if v.IsZero() {
		return ""
	}
	return Mask
}

// GoString returns the same as String inside the type's name, for %#v.
func (v Value) GoString() string { return fmt.Sprintf("secret.Value(%q)", v.String()) }

// Format prints String for every verb, so that %d or %x cannot reach the text.
func (v Value) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = fmt.Fprint(f, v.GoString())
		return
	}
	_, _ = fmt.Fprint(f, v.String())
}

// LogValue prints String in structured logs.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText prints String; used by TOML, YAML and XML encoders.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// MarshalJSON prints String.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.String()) }

// UnmarshalJSON reads plain text. It does not undo MarshalJSON: what was masked
// stays masked.
func (v *Value) UnmarshalJSON(b []byte) error {
	var plain string
	if err := json.Unmarshal(b, &plain); err != nil {
		return fmt.Errorf("a secret must be a JSON string")
	}
	*v = New(plain)
	return nil
}
