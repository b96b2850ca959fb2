package node

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

// pullWithin bounds one proving pull.
const pullWithin = 2 * time.Minute

// prover pulls verify images through the configured endpoints only.
type prover struct {
	disk     disk
	cri      CRI
	release  containerd.Release
	hostsDir string
	desired  config.Desired
	// header tells for a registry host whether its credential is delivered as a header.
	header map[string]bool
	// provable reports whether a registry can be proven before the swap; see
	// plan.Made.Provable.
	provable func(config.Registry) bool
	// restart tells that containerd restarts after the swap: what was proven before
	// is proven again then.
	restart bool
	tell    func(protocol.Step, string)
	// nameOnly tells that containerd reads no hosts directory, so that a pull under the
	// image's own name is all that can be shown.
	nameOnly bool
	// why explains pulls that fail; nil for none.
	why *explainer

	// proven are the proofs of probe, by image, and pulled what all pulls made.
	proven map[string]protocol.Proof
	pulled []cri.Pulled
}

// errNotProven is the error of a proof whose pulls did not all work.
var errNotProven = errors.New("the configured endpoints did not serve the verify image")

// provesFirst reports whether probe has something to do.
func (p *prover) provesFirst() bool {
	return slices.ContainsFunc(p.desired.VerifyImages, func(ref string) bool {
		_, registry, err := p.registry(ref)
		return err == nil && p.provable(registry)
	})
}

// probe pulls what can be pulled through the new endpoints while the old ones
// are in force, and stops at the first that fails. What it pulled stays for the
// pull by name, so that no layer is fetched twice, until dropPulled.
func (p *prover) probe(ctx context.Context) ([]protocol.Proof, error) {
	var proofs []protocol.Proof
	p.proven = map[string]protocol.Proof{}
	for _, ref := range p.desired.VerifyImages {
		_, registry, err := p.registry(ref)
		if err != nil {
			return proofs, err
		}
		if !p.provable(registry) {
			continue
		}
		p.tell(protocol.StepProbe, ref)
		proof, err := p.byEndpoints(ctx, ref)
		if errors.Is(err, errNotRead) && p.restart {
			continue // the restart may be what it takes
		}
		proofs = append(proofs, proof)
		if err := verdict(proof, err); err != nil {
			return proofs, err
		}
		p.proven[ref] = proof
	}
	return proofs, nil
}

// prove pulls every verify image that is not proven yet, then each under its own
// name, and returns what the pulls showed. It stops at the first that fails, with
// an error that names image and reason. Whatever happens, no probe directory and
// no image name of ours is left.
func (p *prover) prove(ctx context.Context) (proofs []protocol.Proof, err error) {
	defer func() { err = errors.Join(err, p.dropPulled(ctx)) }()
	for _, ref := range p.desired.VerifyImages {
		p.tell(protocol.StepProve, ref)
		proof, err := p.one(ctx, ref)
		proofs = append(proofs, proof)
		if err := verdict(proof, err); err != nil {
			return proofs, err
		}
	}
	return proofs, nil
}

// all pulls every image, also after a failure; for verify.
func (p *prover) all(ctx context.Context) (proofs []protocol.Proof, err error) {
	defer func() { err = errors.Join(err, p.dropPulled(ctx)) }()
	for _, ref := range p.desired.VerifyImages {
		p.tell(protocol.StepProve, ref)
		proof, err := p.one(ctx, ref)
		if err != nil && !errors.Is(err, errNotRead) {
			return proofs, err
		}
		proofs = append(proofs, proof)
	}
	return proofs, nil
}

// requestRE is what containerd says before the reason of a request that failed.
var requestRE = regexp.MustCompile(`^failed to do request: \w+ "[^"]*": `)

// verdict is the error of a proof, which names image and reason.
func verdict(proof protocol.Proof, err error) error {
	if err == nil && !proof.OK {
		err = fmt.Errorf("%w %s: %s", errNotProven, proof.Image, proof.Error)
		if w := proof.Why; w != nil && w.Text != "" {
			// One line: neither the image is named twice nor the host.
			_, text, found := strings.Cut(w.Text, " is not served. ")
			if !found {
				text = strings.TrimPrefix(w.Text, "A trace now finds that ")
			}
			err = fmt.Errorf("%w %s: %s. Trace: %s", errNotProven, proof.Image, requestRE.ReplaceAllString(proof.Error, ""), text)
		}
	}
	return err
}

// one proves an image through the endpoints, if that is not done, and by name.
func (p *prover) one(ctx context.Context, ref string) (proof protocol.Proof, err error) {
	if p.nameOnly {
		return p.onlyByName(ctx, ref)
	}
	before, done := p.proven[ref]
	if proof = before; !done || p.restart {
		proof, err = p.byEndpoints(ctx, ref)
		// Layers that the first pull fetched are there for the second.
		proof.Fresh = proof.Fresh || proof.OK && before.Fresh
	}
	if err != nil || !proof.OK {
		return proof, err
	}
	return proof, p.byName(ctx, ref, &proof)
}

func (p *prover) registry(ref string) (config.Image, config.Registry, error) {
	image, err := config.ParseImage(ref)
	if err != nil {
		return image, config.Registry{}, err
	}
	registry, ok := p.desired.RegistryFor(image.Host)
	if !ok {
		return image, registry, fmt.Errorf("no registry of the specification serves %q", ref)
	}
	return image, registry, nil
}

func (p *prover) pull(ctx context.Context, ref string) (cri.Pulled, error) {
	ctx, cancel := context.WithTimeout(ctx, pullWithin)
	defer cancel()
	pulled, err := p.cri.Pull(ctx, ref)
	if err == nil {
		p.pulled = append(p.pulled, pulled)
	}
	return pulled, err
}

// byName pulls the image under its own name, which shows that its own host
// directory is the one that containerd finds. It is left out when the node has
// the image: the pull could move its tag under running workloads.
func (p *prover) byName(ctx context.Context, ref string, proof *protocol.Proof) error {
	present, err := p.cri.Present(ctx, ref)
	if err != nil {
		return err
	}
	if present {
		proof.ByName = "not pulled: the node has this image, and a pull could move its tag"
		return nil
	}
	if _, err := p.pull(ctx, ref); err != nil {
		fillError(proof, err)
		proof.OK = false
		proof.ByName = "failed"
		p.explainOwn(ctx, proof, err)
		return ctx.Err()
	}
	proof.ByName = "pulled"
	return nil
}

// onlyByName pulls the image under its own name. Which endpoint served it is not
// shown: containerd asks the registry itself when the others fail.
func (p *prover) onlyByName(ctx context.Context, ref string) (protocol.Proof, error) {
	proof := protocol.Proof{Image: ref}
	present, err := p.cri.Present(ctx, ref)
	if err != nil {
		return proof, err
	}
	if present {
		proof.Error, proof.Hint = "the node has this image, so a pull would prove nothing", "name an image that no node has under spec.verify.images"
		return proof, nil
	}
	pulled, err := p.pull(ctx, ref)
	if err != nil {
		fillError(&proof, err)
		p.explainOwn(ctx, &proof, err)
		return proof, ctx.Err()
	}
	proof.OK, proof.ByName, proof.Digest, proof.Fresh, proof.Took = true, "pulled", pulled.Digest, pulled.Fresh, pulled.Took
	return proof, nil
}

// explainOwn says why a pull under the image's own name failed.
func (p *prover) explainOwn(ctx context.Context, proof *protocol.Proof, pullErr error) {
	if image, err := config.ParseImage(proof.Image); err == nil && ofRegistry(pullErr) {
		proof.Why = p.why.of(ctx, *proof, image, image)
	}
}

// ofRegistry reports whether a pull may have failed for what a registry said: where
// CRI is away there is nothing for a trace to find.
func ofRegistry(err error) bool {
	var pe *cri.PullError
	return !errors.As(err, &pe) || pe.Kind != cri.CRIMissing
}

func fillError(proof *protocol.Proof, err error) {
	if err == nil {
		return
	}
	proof.Error = err.Error()
	var pe *cri.PullError
	if errors.As(err, &pe) {
		proof.Error, proof.Hint = pe.Text, pe.Hint
	}
}

// dropPulled takes away the names that the pulls made. It goes on when ctx has
// ended, and may be repeated.
func (p *prover) dropPulled(ctx context.Context) error {
	var errs []error
	// The last pull first: an image's id was created by its first pull, and goes
	// only when no name is left that others made.
	for _, pulled := range slices.Backward(p.pulled) {
		_, err := p.cri.DropPulled(context.WithoutCancel(ctx), pulled)
		if err != nil && strings.HasPrefix(pulled.Ref, ProbeHost+"/") {
			// What is told by name is found once more by what stands there.
			err = p.cri.DropUnder(context.WithoutCancel(ctx), ProbeHost)
		}
		errs = append(errs, err)
	}
	p.pulled = nil
	return errors.Join(errs...)
}
