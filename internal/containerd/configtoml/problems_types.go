package configtoml

import (
	"fmt"
	"slices"
)

// shape is the type that a registry setting has in containerd.
type shape string

const (
	aString     shape = "a string"
	aBool       shape = "true or false"
	aNumber     shape = "a whole number"
	manyStrings shape = "a list of strings"
	aTable      shape = "a table"
)

// types finds settings of a wrong type. containerd does not start with one,
// because the whole plugin table is decoded before anything else is looked at.
func (c *checker) types() {
	images := c.t.images()
	if c.t.Release.HasTransferService() {
		for _, key := range []string{"use_local_image_pull", "discard_unpacked_layers", "image_pull_with_sync_fs", "disable_snapshot_annotations"} {
			c.shape(images, aBool, key)
		}
	}
	c.shape(images, aNumber, "max_concurrent_downloads")
	if c.t.Release.AtLeast(2, 0, 0) {
		c.shape(lookup(images, []string{"pinned_images"}), aString, "sandbox")
	} else {
		c.shape(images, aString, "sandbox_image")
	}
	c.shape(images, aTable, "registry")
	reg := lookup(images, []string{"registry"})
	c.shape(reg, aString, "config_path")
	for _, key := range []string{"mirrors", "configs", "auths", "headers"} {
		c.shape(reg, aTable, key)
	}
	mirrors, configs, auths, headers := lookup(reg, []string{"mirrors"}), lookup(reg, []string{"configs"}), lookup(reg, []string{"auths"}), lookup(reg, []string{"headers"})
	for _, host := range sortedKeys(mirrors) {
		c.shape(mirrors, aTable, host, "mirrors")
		c.shape(lookup(mirrors, []string{host}), manyStrings, "endpoint", "mirrors", host)
	}
	for _, host := range sortedKeys(configs) {
		c.shape(configs, aTable, host, "configs")
		h := lookup(configs, []string{host})
		c.shape(h, aTable, "auth", "configs", host)
		c.credential(lookup(h, []string{"auth"}), "configs", host, "auth")
		if !c.t.Release.HasConfigsTLS() {
			continue
		}
		c.shape(h, aTable, "tls", "configs", host)
		tls := lookup(h, []string{"tls"})
		c.shape(tls, aBool, "insecure_skip_verify", "configs", host, "tls")
		for _, key := range []string{"ca_file", "cert_file", "key_file"} {
			c.shape(tls, aString, key, "configs", host, "tls")
		}
	}
	for _, host := range sortedKeys(auths) {
		c.shape(auths, aTable, host, "auths")
		c.credential(lookup(auths, []string{host}), "auths", host)
	}
	for _, name := range sortedKeys(headers) {
		c.shape(headers, manyStrings, name, "headers")
	}
}

func (c *checker) credential(m map[string]any, above ...string) {
	for _, key := range []string{"username", "password", "auth", "identitytoken"} {
		c.shape(m, aString, key, above...)
	}
}

// shape reports key of m when it is there and of another type. above is the way
// from the registry table to m, for the place.
func (c *checker) shape(m map[string]any, want shape, key string, above ...string) {
	v, there := m[key]
	if !there {
		return
	}
	ok := false
	switch want {
	case aString:
		_, ok = v.(string)
	case aBool:
		_, ok = v.(bool)
	case aNumber:
		_, ok = v.(int64)
	case aTable:
		_, ok = v.(map[string]any)
	case manyStrings:
		var all []any
		if all, ok = v.([]any); ok {
			ok = !slices.ContainsFunc(all, func(v any) bool { _, is := v.(string); return !is })
		}
	}
	if ok {
		return
	}
	pos := c.places.where(append(slices.Clone(above), key)...)
	if pos.File == "" {
		pos.File = c.t.Root
	}
	c.add(Problem{ID: "CFG007", Pos: pos, Severity: 1, Text: fmt.Sprintf("%s is not %s", bare(key), want), Hint: fmt.Sprintf("write %s as %s; containerd does not start with it", bare(key), want)})
}
