package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

// ProbeHost is a registry that exists nowhere (RFC 6761 reserves .invalid), so a
// pull under its name can only be served by the endpoints of its host directory.
const ProbeHost = "pullway-probe.invalid"

// pullWithin bounds one proving pull.
const pullWithin = 2 * time.Minute

// probeStage is where the probe's host directory is built before it appears.
func probeStage(hostsDir string) string {
	return stagedName(filepath.Join(hostsDir, ProbeHost), hostsDir, "probe")
}

// prover pulls verify images through the configured endpoints only.
type prover struct {
	disk     disk
	cri      CRI
	release  containerd.Release
	hostsDir string
	desired  config.Desired
	// header tells for a registry host whether its credential is delivered as a header.
	header map[string]bool
	tell   func(protocol.Step, string)
}

// errNotProven is the error of a proof whose pulls did not all work.
var errNotProven = errors.New("the configured endpoints did not serve the verify image")

// prove pulls every verify image and returns what each pull showed. It stops at
// the first that fails, with an error that names image and reason. Whatever
// happens, no probe directory and no image name of ours is left.
func (p prover) prove(ctx context.Context) ([]protocol.Proof, error) {
	var proofs []protocol.Proof
	for _, ref := range p.desired.VerifyImages {
		p.tell(protocol.StepProve, ref)
		proof, err := p.one(ctx, ref)
		proofs = append(proofs, proof)
		if err != nil {
			return proofs, err
		}
		if !proof.OK {
			return proofs, fmt.Errorf("%w %s: %s", errNotProven, ref, proof.Error)
		}
	}
	return proofs, nil
}

// all pulls every image, also after a failure; for verify.
func (p prover) all(ctx context.Context) ([]protocol.Proof, error) {
	var proofs []protocol.Proof
	for _, ref := range p.desired.VerifyImages {
		p.tell(protocol.StepProve, ref)
		proof, err := p.one(ctx, ref)
		if err != nil {
			return proofs, err
		}
		proofs = append(proofs, proof)
	}
	return proofs, nil
}

func (p prover) one(ctx context.Context, ref string) (protocol.Proof, error) {
	proof := protocol.Proof{Image: ref}
	image, err := config.ParseImage(ref)
	if err != nil {
		return proof, err
	}
	registry, ok := p.desired.RegistryFor(image.Host)
	if !ok {
		return proof, fmt.Errorf("no registry of the specification serves %q", ref)
	}
	for _, e := range registry.Endpoints {
		proof.Endpoints = append(proof.Endpoints, e.URL)
	}
	remove, err := p.putProbe(registry)
	if err != nil {
		return proof, err
	}
	pulled, pullErr := p.pull(ctx, probeRef(image))
	if err := remove(); err != nil {
		return proof, err
	}
	if pullErr != nil {
		fillError(&proof, pullErr)
		return proof, ctx.Err()
	}
	proof.OK, proof.Digest, proof.Fresh, proof.Took = true, pulled.Digest, pulled.Fresh, pulled.Took
	byName, err := p.byName(ctx, ref, &proof)
	_, dropErr := p.cri.DropPulled(context.WithoutCancel(ctx), pulled)
	if byName != nil {
		_, err2 := p.cri.DropPulled(context.WithoutCancel(ctx), *byName)
		dropErr = errors.Join(dropErr, err2)
	}
	return proof, errors.Join(err, dropErr)
}

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
func (p prover) putProbe(r config.Registry) (remove func() error, err error) {
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
	if err := p.disk.stage(staged, e); err != nil {
		return nil, errors.Join(err, remove())
	}
	if err := p.disk.rename(staged, target); err != nil {
		return nil, errors.Join(err, remove())
	}
	return remove, nil
}

func (p prover) pull(ctx context.Context, ref string) (cri.Pulled, error) {
	ctx, cancel := context.WithTimeout(ctx, pullWithin)
	defer cancel()
	return p.cri.Pull(ctx, ref)
}

// byName pulls the image under its own name, which shows that its own host
// directory is the one that containerd finds. It is left out when the node has
// the image: the pull could move its tag under running workloads.
func (p prover) byName(ctx context.Context, ref string, proof *protocol.Proof) (*cri.Pulled, error) {
	present, err := p.cri.Present(ctx, ref)
	if err != nil {
		return nil, err
	}
	if present {
		proof.ByName = "not pulled: the node has this image, and a pull could move its tag"
		return nil, nil
	}
	pulled, err := p.pull(ctx, ref)
	if err != nil {
		fillError(proof, err)
		proof.OK = false
		proof.ByName = "failed"
		return nil, ctx.Err()
	}
	proof.ByName = "pulled"
	return &pulled, nil
}

func fillError(proof *protocol.Proof, err error) {
	proof.Error = err.Error()
	var pe *cri.PullError
	if errors.As(err, &pe) {
		proof.Error, proof.Hint = pe.Text, pe.Hint
	}
}
