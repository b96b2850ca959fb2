package fleet

import (
	"context"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/protocol"
)

// line returns the node's connection; the one that was planned over when it is
// still there.
func (r *run) line(ctx context.Context, i int, node string) (Conn, *NodeError) {
	if r.conns[i] != nil {
		return r.conns[i], nil
	}
	r.mail.step(node, StepConnect, "")
	conn, nerr := connect(ctx, r.Connector, node, r.times.Connect)
	if nerr != nil {
		return nil, nerr
	}
	r.conns[i] = conn
	return conn, nil
}

// tell passes a step of the engine on to the record and to the observer.
func (r *run) tell(i int, node string, step protocol.Step, text string) {
	r.news.put(update{node: i, step: step}, maxSteps)
	r.mail.step(node, step, text)
}

// closeConn gives back the connection of a node that needs it no more.
func (r *run) closeConn(i int) {
	if c := r.conns[i]; c != nil {
		r.conns[i] = nil
		r.workers.Go(func() { _ = c.Close() })
	}
}

// closeFormer gives back connections that only an undo of a former wave could
// need. With rollback-run a connection is made anew for that, which costs less
// than to hold one to every node of a large fleet.
func (r *run) closeFormer(wave int) {
	for i, n := range r.rec.Nodes {
		if !n.Begun.IsZero() && n.Phase.Ended() && (n.Wave < wave || !r.undoes()) {
			r.closeConn(i)
		}
	}
}

func (r *run) undoes() bool {
	return r.rec.Policy.OnFailure == v1alpha1.RollbackWave || r.rec.Policy.OnFailure == v1alpha1.RollbackRun
}

func (r *run) closeAll() {
	for i := range r.conns {
		r.closeConn(i)
	}
	r.workers.Wait()
}
