package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/pullway/pullway/api/v1alpha1"
)

// Marshal renders a spec as YAML: keys in the order of the types, nothing that
// is empty, two spaces of indentation. What it renders reads back as the same,
// but for empty groups and lists. It neither checks nor fills in defaults.
func Marshal(cfg v1alpha1.RegistryConfig) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	n := nodeOf(reflect.ValueOf(cfg))
	if n == nil {
		n = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	}
	if err := enc.Encode(n); err != nil {
		return nil, fmt.Errorf("render RegistryConfig: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("render RegistryConfig: %w", err)
	}
	return b.Bytes(), nil
}

// nodeOf makes a node of a spec value; nil for what is empty. A number that a
// pointer holds is written even when it is 0: canary: 0 means something.
func nodeOf(v reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if v.Elem().Kind() == reflect.Int {
			return scalarNode("!!int", strconv.FormatInt(v.Elem().Int(), 10))
		}
		return nodeOf(v.Elem())
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fieldsOf(v.Type()) {
			add(n, f.name, nodeOf(v.Field(f.index)))
		}
		return notEmpty(n)
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		headers, _ := v.Interface().(map[string]string)
		for _, name := range sortedKeys(headers) {
			add(n, name, scalarNode("!!str", headers[name]))
		}
		return notEmpty(n)
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			item := nodeOf(v.Index(i))
			if item == nil { // keeps its place
				item = scalarNode("!!null", "null")
			}
			if item.Kind == yaml.ScalarNode && v.Type() == reflect.TypeFor[[]v1alpha1.Capability]() {
				n.Style = yaml.FlowStyle
			}
			n.Content = append(n.Content, item)
		}
		return notEmpty(n)
	case reflect.Int:
		if v.Int() != 0 {
			return scalarNode("!!int", strconv.FormatInt(v.Int(), 10))
		}
	case reflect.Bool:
		if v.Bool() {
			return scalarNode("!!bool", "true")
		}
	case reflect.String:
		if v.Len() == 0 {
			return nil
		}
		if q, err := ParseQuota(v.String()); err == nil && !q.Percent && v.Type() == reflect.TypeFor[v1alpha1.IntOrPercent]() {
			return scalarNode("!!int", v.String())
		}
		return scalarNode("!!str", v.String())
	}
	return nil
}

func add(n *yaml.Node, key string, value *yaml.Node) {
	if value != nil {
		n.Content = append(n.Content, scalarNode("!!str", key), value)
	}
}

func notEmpty(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

// scalarNode lets the encoder put text into quotes that would be read as
// something else; text of several lines is put into quotes, too, so that every
// byte of it is seen.
func scalarNode(tag, value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	if tag == "!!str" && strconv.Quote(value) != `"`+value+`"` {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
