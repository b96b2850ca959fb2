package node

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/protocol"
)

// ProbeHost is a registry that exists nowhere (RFC 6761 reserves .invalid), so a
// pull under its name can only be served by the endpoints of its host directory.
const ProbeHost = "pullway-probe.invalid"

// probeStage is where the probe's host directory is built before it appears.
func probeStage(hostsDir string) string {
	return stagedName(filepath.Join(hostsDir, ProbeHost), hostsDir, "probe")
}

// byEndpoints pulls an image under the probe's name. A pull that failed is in the
// proof; the error is errNotRead when containerd did not read the probe's
// directory, and otherwise of the node itself.
func (p *prover) byEndpoints(ctx context.Context, ref string) (protocol.Proof, error) {
	proof := protocol.Proof{Image: ref}
	image, registry, err := p.registry(ref)
	if err != nil {
		return proof, err
	}
	for _, e := range registry.Endpoints {
		proof.Endpoints = append(proof.Endpoints, e.URL)
	}
	remove, err := p.putProbe(registry)
	if err != nil {
		return proof, err
	}
	pulled, pullErr := p.pull(ctx, probeRef(image))
	unread := false
	if pullErr != nil {
		fillError(&proof, pullErr)
		if unread = strings.Contains(proof.Error, "//"+ProbeHost+"/"); !unread && ofRegistry(pullErr) {
			probe := image
			probe.Host = ProbeHost
			proof.Why = p.why.of(ctx, proof, probe, image)
		}
	}
	if err := remove(); err != nil {
		return proof, err
	}
	if pullErr != nil {
		// A pull can fail, or be cut off, after the image has come. What cannot be
		// dropped, because CRI is away, is no reason to fail for.
		_ = p.cri.DropUnder(context.WithoutCancel(ctx), ProbeHost)
		if ctx.Err() == nil && unread {
			proof.Error = errNotRead.Error()
			proof.Hint = "it runs with another configuration than its files have now: restart containerd at a quiet moment, then plan again"
			return proof, errNotRead
		}
		return proof, ctx.Err()
	}
	proof.OK, proof.Digest, proof.Fresh, proof.Took = true, pulled.Digest, pulled.Fresh, pulled.Took
	return proof, nil
}

// errNotRead tells that containerd went to the probe's name itself, which exists
// nowhere, rather than to the endpoints of its host directory.
var errNotRead = errors.New("containerd does not read the hosts directory that its configuration names")

func probeRef(i config.Image) string {
	ref := ProbeHost + "/" + i.Path
	if i.Tag != "" {
		ref += ":" + i.Tag
	}
	if i.Digest != "" {
		ref += "@" + i.Digest
	}
	return ref
}

// putProbe makes the probe's host directory appear with the registry's endpoints
// and no other; the returned function takes it away.
func (p *prover) putProbe(r config.Registry) (remove func() error, err error) {
	target := filepath.Join(p.hostsDir, ProbeHost)
	probe := r
	probe.Host, probe.Fallback = ProbeHost, "none"
	files, err := hoststoml.Render(probe, hoststoml.Options{
		Release: p.release, Dir: target, HeaderAuth: p.header[r.Host], OnlyEndpoints: true,
	})
	if err != nil {
		return nil, err
	}
	e := NewDir(0o700)
	for _, f := range files {
		e.Children = append(e.Children, Child{f.Name, NewFile(f.Data, 0o600)})
	}
	staged := probeStage(p.hostsDir)
	remove = func() error { return errors.Join(p.disk.discard(target), p.disk.discard(staged)) }
	if err := remove(); err != nil {
		return nil, err
	}
	// It need not outlive a loss of power: only that it goes is made sure of.
	hasty := p.disk.unflushed()
	if err := hasty.stage(staged, e); err != nil {
		return nil, errors.Join(err, remove())
	}
	if err := hasty.rename(staged, target); err != nil {
		return nil, errors.Join(err, remove())
	}
	return remove, nil
}
