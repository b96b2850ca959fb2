package cri

import (
	"context"
	"sort"
	"strings"

	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
)

// Plugin is a plugin of containerd that did not load.
type Plugin struct {
	// Type and ID such as "io.containerd.grpc.v1" and "cri".
	Type, ID string
	// Error is the daemon's reason, one line.
	Error string
}

// The types that CRI is made of: 1.x has only the first, under the id "cri".
const (
	typeGRPC       = "io.containerd.grpc.v1"
	typeCRI        = "io.containerd.cri.v1"
	typePodSandbox = "io.containerd.podsandbox.controller.v1"
)

// rank puts the plugin that failed by itself before those that failed because
// of it, and tells by -1 that a plugin is none of CRI's.
func rank(typ, id string) int {
	switch {
	case typ == typeCRI:
		return 0
	case typ == typePodSandbox:
		return 1
	case typ == typeGRPC && (id == "cri" || id == "cri-runtime-service"):
		return 2
	default:
		return -1
	}
}

// failedPlugins lists the plugins of CRI that did not load, causes first. Others,
// such as snapshotters that nobody configured, fail on every healthy node.
func (c *Client) failedPlugins(ctx context.Context) ([]Plugin, error) {
	r, err := c.introspection.Plugins(ctx, &introspectionapi.PluginsRequest{})
	if err != nil {
		return nil, c.callError("list plugins", err)
	}
	var failed []Plugin
	for _, p := range r.GetPlugins() {
		if p.GetInitErr() == nil || rank(p.GetType(), p.GetID()) < 0 {
			continue
		}
		failed = append(failed, Plugin{
			Type:  oneLine(p.GetType()),
			ID:    oneLine(p.GetID()),
			Error: clean(p.GetInitErr().GetMessage()),
		})
	}
	sort.SliceStable(failed, func(i, j int) bool {
		a, b := failed[i], failed[j]
		if cascadeA, cascadeB := cascades(a), cascades(b); cascadeA != cascadeB {
			return cascadeB
		}
		if ra, rb := rank(a.Type, a.ID), rank(b.Type, b.ID); ra != rb {
			return ra < rb
		}
		return a.ID < b.ID
	})
	return failed, nil
}

// cascades reports whether a plugin failed only because another one did.
func cascades(p Plugin) bool { return strings.Contains(p.Error, "dependency: ") }
