package node

import (
	"context"
	"errors"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/trace"
)

// puller is what a pull beside a trace needs of CRI.
type puller interface {
	Present(ctx context.Context, ref string) (bool, error)
	Pull(ctx context.Context, ref string) (cri.Pulled, error)
	DropPulled(ctx context.Context, p cri.Pulled) ([]string, error)
}

// confirmByPull pulls the image of a trace under its own name and takes away what the
// pull made. An image that the node has is not pulled: its tag could move under running
// workloads.
func confirmByPull(ctx context.Context, o *observation, t *trace.Trace, ref string) error {
	if !o.Healthy {
		t.Compare(trace.Pull{Outcome: trace.NotMade}, o.Health)
		return nil
	}
	return pullAndDrop(ctx, o.cri, t, ref)
}

func pullAndDrop(ctx context.Context, c puller, t *trace.Trace, ref string) error {
	present, err := c.Present(ctx, ref)
	if err != nil {
		return err
	}
	if present {
		t.Compare(trace.Pull{Outcome: trace.NotMade, Hint: "remove it with crictl rmi, or trace another tag"}, "the node has this image, and a pull could move its tag")
		return nil
	}
	within, cancel := context.WithTimeout(ctx, pullWithin)
	defer cancel()
	pulled, err := c.Pull(within, ref)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		p := trace.Pull{Outcome: trace.Failed}
		text := oneLine(err)
		var pe *cri.PullError
		if errors.As(err, &pe) {
			text, p.Hint = pe.Text, pe.Hint
		}
		t.Compare(p, text)
		return nil
	}
	t.Compare(trace.Pull{Outcome: trace.Pulled, Digest: pulled.Digest, Fresh: pulled.Fresh, Took: pulled.Took}, "")
	_, err = c.DropPulled(context.WithoutCancel(ctx), pulled)
	return err
}
