package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pullway/pullway/api/v1alpha1"
)

// Bounds of what aliases may unfold to: nodes looked at, and depth.
const (
	maxNodes = 200_000
	maxDepth = 32
)

// place is where a value stands in the file.
type place struct{ line, column int }

// decoder fills spec types from YAML nodes, strictly: unknown and double keys
// and wrong types are problems, all of them are found, and none stops it.
type decoder struct {
	root     reflect.Type
	places   map[string]place
	problems Problems
	// spoilt are paths whose value could not be read, so that nobody complains
	// afterwards that they are missing.
	spoilt map[string]bool
	nodes  int
}

// decode reads a RegistryConfig from the root node of a document.
func decode(n *yaml.Node) (v1alpha1.RegistryConfig, *decoder) {
	var c v1alpha1.RegistryConfig
	d := &decoder{root: reflect.TypeFor[v1alpha1.RegistryConfig](), places: map[string]place{}, spoilt: map[string]bool{}}
	d.value(n, reflect.ValueOf(&c).Elem(), "", 0)
	if d.nodes > maxNodes {
		d.problems = Problems{{Line: n.Line, Column: n.Column, Text: fmt.Sprintf("unfolds to more than %d values", maxNodes)}}
	}
	return c, d
}

func (d *decoder) fail(n *yaml.Node, path, text, hint string) {
	if len(d.problems) <= maxNodes {
		d.problems = append(d.problems, Problem{Path: path, Line: n.Line, Column: n.Column, Text: text, Hint: hint})
	}
	d.spoilt[path] = true
}

// value reads n into v. Null is the same as absent.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, depth int) {
	if d.nodes++; d.nodes > maxNodes {
		return
	}
	if depth > maxDepth {
		d.fail(n, path, "is nested too deeply", "")
		return
	}
	if _, known := d.places[path]; !known {
		d.places[path] = place{n.Line, n.Column}
	}
	if n.Kind == yaml.AliasNode {
		d.value(n.Alias, v, path, depth+1)
		return
	}
	if isNull(n) {
		return
	}
	if n.Tag != "" && !strings.HasPrefix(n.Tag, "!!") {
		hint := ""
		if n.Tag == "!vault" {
			hint = "name the file and the key: {ansibleVault: {file: …, key: …}}"
		}
		// The tag itself is not repeated: an unquoted password may begin with "!".
		d.fail(n, path, "has a YAML tag, which is not known here", hint)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		d.value(n, fresh.Elem(), path, depth)
		v.Set(fresh)
	case reflect.Struct:
		d.structure(n, v, path, depth)
	case reflect.Slice:
		d.list(n, v, path, depth)
	case reflect.Map:
		d.table(n, v, path, depth)
	default:
		d.scalar(n, v, path)
	}
}

// structure reads a mapping with known keys.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		if v.Type() == reflect.TypeFor[v1alpha1.SecretSource]() && n.Kind == yaml.ScalarNode {
			d.fail(n, path, "is a password in the spec itself", "keep it outside: {env: HARBOR_PASSWORD} or {file: harbor.pass}")
			return
		}
		d.fail(n, path, "must be a group of keys, not "+kindName(n), "known keys are "+strings.Join(keyNames(v.Type()), ", "))
		return
	}
	fields := map[string]int{}
	for _, f := range fieldsOf(v.Type()) {
		fields[f.name] = f.index
	}
	d.pairs(n, path, func(key, value *yaml.Node, at string) {
		i, known := fields[key.Value]
		if !known {
			d.unknown(key, value, v.Type(), path)
			return
		}
		d.value(value, v.Field(i), at, depth+1)
	})
}

func (d *decoder) unknown(key, value *yaml.Node, t reflect.Type, path string) {
	if t == reflect.TypeFor[v1alpha1.SecretSource]() && isNull(value) {
		// password: {Harbor12345}; the key is the password.
		d.fail(key, path, "is a password in the spec itself", "keep it outside: {env: HARBOR_PASSWORD} or {file: harbor.pass}")
		return
	}
	meant, hint := "", ""
	if len(d.problems) < maxProblems { // nobody reads the hints of the rest
		meant, hint = nearestKey(key.Value, t, d.root)
	}
	d.fail(key, join(path, printable(key.Value)), "unknown key", hint)
	if meant != "" {
		d.spoilt[join(path, meant)] = true
	}
}

// table reads a mapping with free keys and text values.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "must be a group of keys, not "+kindName(n), "")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, value *yaml.Node, at string) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(value, elem, at, depth+1)
		if !d.spoilt[at] {
			v.SetMapIndex(reflect.ValueOf(key.Value), elem)
		}
	})
}

// pairs walks a mapping and finds keys that are no text, merged or double.
func (d *decoder) pairs(n *yaml.Node, path string, each func(key, value *yaml.Node, at string)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if d.nodes++; d.nodes > maxNodes {
			return
		}
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			d.fail(n.Content[i], path, "has a key that is no text", "")
			continue
		}
		if key.Tag == "!!merge" {
			d.fail(key, path, "has a merge key (<<), which is not read here", "write the keys out")
			continue
		}
		at := join(path, printable(key.Value))
		if line, double := first[key.Value]; double {
			d.fail(key, at, fmt.Sprintf("double key, first in line %d", line), "")
			continue
		}
		first[key.Value] = key.Line
		d.places[at] = place{key.Line, key.Column}
		each(key, value, at)
	}
}

// list reads a sequence.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "must be a list, not "+kindName(n), "begin each element with a dash")
		return
	}
	for i, item := range n.Content {
		if d.nodes > maxNodes {
			return
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		at := fmt.Sprintf("%s[%d]", path, i)
		d.value(item, elem, at, depth+1)
		v.Set(reflect.Append(v, elem))
	}
}

// scalar reads text, a whole number or true and false. No message repeats the
// value: it may be a secret.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	want := map[reflect.Kind]string{reflect.String: "text", reflect.Int: "a whole number", reflect.Bool: "true or false"}[v.Kind()]
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, fmt.Sprintf("must be %s, not %s", want, kindName(n)), "")
		return
	}
	switch v.Kind() {
	case reflect.String:
		// A count such as maxUnavailable: 3 is text that looks like a number.
		count := v.Type() == reflect.TypeFor[v1alpha1.IntOrPercent]()
		switch {
		case n.Tag == "!!str", count && n.Tag == "!!int":
		case count:
			d.fail(n, path, "must be a number of nodes or a percentage, not "+kindName(n), "")
			return
		case strings.HasSuffix(path, ".dialTimeout"), strings.HasSuffix(path, ".confirmWithin"):
			d.fail(n, path, "must be a duration, not "+kindName(n), "write the number with its unit, such as 30s")
			return
		default:
			d.fail(n, path, "must be text, not "+kindName(n), "put it in quotes")
			return
		}
		v.SetString(n.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if n.Tag != "!!int" || err != nil {
			d.fail(n, path, "must be a whole number, not "+kindName(n), "")
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.Tag != "!!bool" {
			d.fail(n, path, "must be true or false, not "+kindName(n), "")
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	}
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!int":
		return "a number"
	case "!!float":
		return "a number with a fraction"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	case "!!null":
		return "nothing"
	}
	return "text"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// printable makes a key fit into a path: one line, no endless one.
func printable(key string) string {
	q := clip(key)
	if s := strconv.Quote(q); s != `"`+q+`"` || strings.ContainsAny(q, ". []:") || q == "" {
		return s
	}
	return q
}
