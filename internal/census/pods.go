package census

import (
	"bytes"
	"slices"

	"github.com/pullway/pullway/internal/impact"
)

// addPod takes one pod of a page.
func (s *store) addPod(b []byte) error {
	p := &s.pod
	if err := p.read(b); err != nil {
		return err
	}
	t, err := s.template(&p.meta, &p.spec)
	if err != nil {
		return err
	}
	out := impact.Pod{Template: t, Node: -1}
	if len(p.node) > 0 {
		out.Node = s.nodeOf(p.node)
	}
	kind, name := p.workload()
	if kind == "StaticPod" && out.Node >= 0 {
		// NAME-NODE: the same static pod of many nodes is one workload.
		name = bytes.TrimSuffix(name, append([]byte("-"), p.node...))
	}
	out.Owner = s.owner(p.namespace, kind, name)
	p.judge(&out)
	if out.State&^impact.Finished != 0 {
		out.Name = string(p.name)
	}
	if p.alwaysPull && p.mirror && string(p.namespace) == "kube-system" && s.c.AlwaysPull == "" {
		s.c.AlwaysPull = string(p.name)
	}
	s.c.Pods = append(s.c.Pods, out)
	return nil
}

// nodeOf numbers the names of nodes as pods have them.
func (s *store) nodeOf(name []byte) int32 {
	if n, ok := s.podNodes[string(name)]; ok {
		return n
	}
	n := int32(len(s.nodeNames))
	text := s.text(name)
	s.nodeNames = append(s.nodeNames, text)
	s.podNodes[text] = n
	return n
}

// workload is who owns the pod, as a person would say: the Deployment in place of
// its ReplicaSet, which is named after it and the hash of the template.
func (p *rawPod) workload() (kind string, name []byte) {
	switch {
	case p.mirror || string(p.ownerKind) == "Node":
		return "StaticPod", p.name
	case p.ownerKind == nil:
		return "Pod", p.name
	case string(p.ownerKind) == "ReplicaSet":
		if hash := p.label("pod-template-hash"); len(hash) > 0 {
			if base, ok := bytes.CutSuffix(p.ownerName, append([]byte("-"), hash...)); ok && len(base) > 0 {
				return "Deployment", base
			}
		}
	}
	for _, k := range []string{"ReplicaSet", "StatefulSet", "DaemonSet", "Job"} {
		if string(p.ownerKind) == k {
			return k, p.ownerName
		}
	}
	return string(p.ownerKind), p.ownerName
}

// judge makes the bits of a pod's state.
func (p *rawPod) judge(out *impact.Pod) {
	set := func(on bool, s impact.State) {
		if on {
			out.State |= s
		}
	}
	phase := string(p.phase)
	set(phase == "Succeeded" || phase == "Failed", impact.Finished)
	set(phase == "Pending" || phase == "", impact.Pending)
	set(p.deleted, impact.Leaving)
	images := false // an image volume comes before any container
	for _, st := range p.statuses {
		switch string(st.waiting) {
		case "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
			out.State |= impact.Backoff
		case "ErrImageNeverPull":
			out.State |= impact.NeverPull
		case "InvalidImageName":
			out.State |= impact.BadName
		case "CrashLoopBackOff":
			out.State |= impact.Crashing
		}
		i := slices.IndexFunc(p.spec.containers, func(c rawContainer) bool { return c.kind != impact.Volume && bytes.Equal(c.name, st.name) })
		if i < 0 || i >= 64 {
			continue
		}
		if st.made {
			out.Held |= 1 << i
			images = true
		}
		if st.terminated && p.forGood(&p.spec.containers[i], st) {
			out.Ended |= 1 << i
		}
	}
	for i, c := range p.spec.containers {
		if i < 64 && c.kind == impact.Volume && images {
			out.Held |= 1 << i
		}
	}
}

// forGood reports whether a container that ended is not started again in its pod.
func (p *rawPod) forGood(c *rawContainer, st rawStatus) bool {
	switch {
	case c.kind == impact.Ephemeral:
		return true
	case c.kind == impact.Sidecar:
		return false
	case c.kind == impact.Init:
		return st.exit == 0
	case string(p.spec.restart) == "Never":
		return true
	}
	return string(p.spec.restart) == "OnFailure" && st.exit == 0
}
