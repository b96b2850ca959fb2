// Package secret keeps passwords out of everything that people and programs
// read: a Value prints as *** whatever is asked of it, and Resolve knows the
// places a secret may come from.
package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Mask is what stands in place of every secret.
const Mask = "***"

// Value is a secret. Every way of printing it (fmt with any verb, JSON, text
// encodings, slog) gives Mask; an empty Value prints as the empty string, so
// that "none" and "hidden" can be told apart. Only Reveal gives the plain text.
type Value struct{ plain string }

// New makes a Value of plain text.
func New(plain string) Value { return Value{plain} }

// Reveal returns the plain text. Call it where bytes leave for their one
// destination, and nowhere else.
func (v Value) Reveal() string { return v.plain }

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v.plain == "" }

// String returns Mask, or "" for an empty secret.
func (v Value) String() string {
	if v.plain == "" {
		return ""
	}
	return Mask
}

// GoString returns the same as String, for %#v.
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
func (v *Value) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &v.plain) }
