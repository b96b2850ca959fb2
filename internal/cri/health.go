package cri

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"google.golang.org/grpc/codes"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Health is what CRI says of itself at one moment.
type Health struct {
	// RuntimeReady and NetworkReady are the two conditions that kubelet looks at.
	RuntimeReady bool
	NetworkReady bool
	// Conditions are all of them, sorted by type.
	Conditions []Condition
	// CRIMissing: containerd answers, but without CRI. It happens when the plugin
	// did not load or is disabled, and systemd calls such a daemon active.
	CRIMissing bool
	// Starting: CRI is loaded but still recovers its containers after a start.
	Starting bool
	// FailedPlugins are the plugins of CRI that did not load, causes first.
	FailedPlugins []Plugin
}

// Condition is one condition of CRI's Status.
type Condition struct {
	Type   string
	Status bool
	// Reason and Message are one line each, empty for a condition that is met.
	Reason, Message string
}

// Health asks CRI for its status and containerd for the plugins that failed. A
// missing CRI, a CRI that still starts and failed plugins are findings, not
// errors; the error is a *CallError for a socket that does not answer.
func (c *Client) Health(ctx context.Context) (Health, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	h, err := c.status(ctx)
	if err != nil {
		return Health{}, err
	}
	h.FailedPlugins, err = c.failedPlugins(ctx)
	if ce, ok := err.(*CallError); ok && ce.Code == codes.Unimplemented {
		err = nil // not every runtime has the service; CRI's own word stands
	}
	if err != nil {
		return Health{}, err
	}
	return h, nil
}

func (c *Client) status(ctx context.Context) (Health, error) {
	r, err := c.runtime.Status(ctx, &runtimeapi.StatusRequest{})
	if err != nil {
		switch s := statusOf(err); {
		case isCRIMissing(s.Code(), s.Message()):
			return Health{CRIMissing: true}, nil
		case strings.Contains(s.Message(), "server is not initialized yet"):
			return Health{Starting: true}, nil
		}
		return Health{}, c.callError("CRI status", err)
	}
	var h Health
	for _, cond := range r.GetStatus().GetConditions() {
		switch cond.GetType() {
		case runtimeapi.RuntimeReady:
			h.RuntimeReady = cond.GetStatus()
		case runtimeapi.NetworkReady:
			h.NetworkReady = cond.GetStatus()
		}
		h.Conditions = append(h.Conditions, Condition{
			Type:    oneLine(cond.GetType()),
			Status:  cond.GetStatus(),
			Reason:  clean(cond.GetReason()),
			Message: clean(cond.GetMessage()),
		})
	}
	sort.Slice(h.Conditions, func(i, j int) bool { return h.Conditions[i].Type < h.Conditions[j].Type })
	return h, nil
}

func isCRIMissing(code codes.Code, message string) bool {
	return code == codes.Unimplemented && strings.Contains(message, "unknown service")
}

// OK reports whether CRI answers, its runtime is ready and none of its plugins
// failed; the text says in one line why not, and is empty otherwise. The network
// is left out: a node without CNI yet is as it should be, and WaitHealthy
// compares with what was.
func (h Health) OK() (bool, string) {
	reason := ""
	if len(h.FailedPlugins) > 0 {
		p := h.FailedPlugins[0]
		reason = fmt.Sprintf("plugin %s.%s did not load: %s", p.Type, p.ID, p.Error)
	}
	switch {
	case h.CRIMissing && reason != "":
		return false, "CRI is missing: " + reason
	case h.CRIMissing:
		return false, "CRI is missing: containerd answers without it; the plugin is probably in disabled_plugins"
	case h.Starting:
		return false, "CRI is still starting: it recovers its containers"
	case reason != "":
		return false, reason
	case !h.RuntimeReady:
		return false, h.unmet(runtimeapi.RuntimeReady)
	}
	return true, ""
}

// unmet says why a condition is not met.
func (h Health) unmet(typ string) string {
	for _, c := range h.Conditions {
		if c.Type != typ || c.Status {
			continue
		}
		text := typ + " is false"
		for _, more := range []string{c.Reason, c.Message} {
			if more != "" {
				text += ": " + more
			}
		}
		return text
	}
	return typ + " is not reported"
}

// Baseline is what was true before a change and must be true after it.
type Baseline struct {
	// Conditions are the types of the conditions that were met, sorted.
	Conditions []string
}

// Baseline takes the conditions of h that are met. Advice is left out: a change
// that makes containerd warn of a deprecated setting does not make a node ill.
func (h Health) Baseline() Baseline {
	var b Baseline
	for _, c := range h.Conditions {
		if c.Status && c.Type != "ContainerdHasNoDeprecationWarnings" {
			b.Conditions = append(b.Conditions, c.Type)
		}
	}
	return b
}

// Meets reports whether h is OK and has every condition of want; the text says
// in one line why not.
func (h Health) Meets(want Baseline) (bool, string) {
	if ok, why := h.OK(); !ok {
		return false, why
	}
	met := map[string]bool{}
	for _, c := range h.Conditions {
		met[c.Type] = c.Status
	}
	for _, typ := range want.Conditions {
		if !met[typ] {
			return false, "before the change it was true: " + h.unmet(typ)
		}
	}
	return true, ""
}
