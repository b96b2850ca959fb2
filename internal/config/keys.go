package config

import (
	"reflect"
	"strings"

	"github.com/pullway/pullway/internal/spelling"
)

// field is one key of a spec type.
type field struct {
	name  string
	index int
	// optional is true for omitempty.
	optional bool
}

// fieldsOf lists the keys of a struct in the order of its fields.
func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		name, opts, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields = append(fields, field{name: name, index: i, optional: strings.Contains(opts, "omitempty")})
	}
	return fields
}

// foreignKeys says what other tools' words are here. The keys are in the form
// that plainKey makes.
var foreignKeys = map[string]string{
	"ca":         "did you mean tls.caFile?",
	"skipverify": "did you mean tls.insecureSkipVerify?",
	"insecure":   "an http:// url makes plain HTTP; tls.insecureSkipVerify accepts any certificate",
	"plainhttp":  "an http:// url makes plain HTTP",
	"mirrors":    "did you mean endpoints?",
	"server":     "write an endpoint's url, and fallback for the rest",
	"user":       "did you mean username?",
	"pass":       "did you mean password?",
	"timeout":    "did you mean dialTimeout?",
}

// nearestKey suggests a known key for an unknown one: one of the same struct
// that is spelled almost so, a word that another tool uses, or a place
// elsewhere in the spec where this key is known. It returns the key of this
// struct that was probably meant, or "", and the hint, or "".
func nearestKey(unknown string, t, root reflect.Type) (meant, hint string) {
	if len(unknown) > 64 {
		return "", ""
	}
	plain := plainKey(unknown)
	best, bestDistance := "", len(plain)/3+1
	for _, f := range fieldsOf(t) {
		if d := spelling.Distance(plain, plainKey(f.name)); d < bestDistance {
			best, bestDistance = f.name, d
		}
	}
	if best != "" {
		return best, "did you mean " + best + "?"
	}
	if said, ok := foreignKeys[plain]; ok {
		return "", said
	}
	if places := placesOf(plain, root, ""); len(places) > 0 {
		return "", "it belongs to " + strings.Join(places, " or ")
	}
	return "", "known keys are " + strings.Join(keyNames(t), ", ")
}

func keyNames(t reflect.Type) []string {
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.name)
	}
	return names
}

// placesOf lists the paths under t at which a key is known.
func placesOf(plain string, t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			path += "[]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var places []string
	for _, f := range fieldsOf(t) {
		at := strings.TrimPrefix(path+"."+f.name, ".")
		if plainKey(f.name) == plain {
			places = append(places, at)
		}
		places = append(places, placesOf(plain, t.Field(f.index).Type, at)...)
	}
	return places
}

// plainKey makes ca_file, ca-file and CAFile the same.
func plainKey(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}
