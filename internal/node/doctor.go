package node

import (
	"context"

	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/protocol"
)

// doctor looks for known mistakes. It takes no lock, and works on a node that could
// not be planned for: what cannot be read is a part of the answer.
func (e *Engine) doctor(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	e.tell(protocol.StepObserve, "")
	o := &observation{hook: e.store.disk.hook}
	defer o.close()
	if err := o.hook.Around("find", "containerd", func() (err error) {
		o.daemon, err = daemon.Find(ctx, daemon.Options{Bus: e.bus, Release: o.askRelease, Hook: o.hook})
		return err
	}); err != nil {
		return nil, err
	}
	d := o.daemon
	o.Running, o.Release, o.ConfigFile = d.PID != 0, d.Release, d.Args.ConfigFile
	var err error
	if o.Tree, err = configtoml.Load(osSource{}, o.ConfigFile, o.Release); err != nil {
		o.Tree = &configtoml.Tree{} // the examination says so
	}
	if err := o.askHealth(ctx); err != nil {
		return nil, err
	}
	n, err := o.patient(ctx)
	if err != nil {
		return nil, err
	}
	n.Live.Asked = o.askHosts(ctx)
	report := doctor.Examine(n)
	reply := &protocol.Doctor{Report: report, Fixes: mendable(n, report, req.Mend)}
	if !o.Healthy {
		reply.Health = o.Health
	}
	reply.Journal = failedPulls(ctx, daemon.JournalReader{}, d.Unit.Name, req.Since, e.now())
	return &protocol.Reply{Doctor: reply}, nil
}

// imageNames are the names of the images that kubelet's pulls left on the node.
func (o *observation) imageNames(ctx context.Context) (names []string, err error) {
	refs, err := o.cri.ImageRefs(ctx)
	for _, r := range refs {
		names = append(names, r.Name)
	}
	return names, err
}
