package node

import (
	"errors"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// recoverRun is the run of a recovery that no operator asked for.
const recoverRun = "recover"

// housekeeping is how long a request waits for one.
const housekeeping = 2 * time.Second

// hold takes the node's lock for a request and gives signs of life until the
// returned function lets go of it. A holder that has given none for the time it
// promised is frozen; nothing watches over it before it arms its switch, so the
// next contact ends it, as the switch would.
func (e *Engine) hold(req protocol.Request) (release func(), err error) {
	h := Holder{Run: req.Run, Op: string(req.Op), Operator: req.Operator, Since: e.now(), Silence: silence(req.ConfirmWithin)}
	unlock, err := e.store.lock(h)
	var locked *LockedError
	// The switch's last look at a node that is done takes a moment; nobody is to be
	// turned away by it.
	for end := time.Now().Add(housekeeping); errors.As(err, &locked) && locked.Holder.Run == recoverRun && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
		unlock, err = e.store.lock(h)
	}
	if errors.As(err, &locked) && e.store.frozen(locked.Holder) {
		if err := e.store.endHolder(locked.Holder); err != nil {
			return nil, err
		}
		unlock, err = e.store.lock(h)
	}
	if err != nil {
		return nil, err
	}
	stop := e.store.keepBeating(min(h.Silence/5, time.Second))
	return func() { stop(); unlock() }, nil
}

// frozen reports whether a holder of the lock is to be ended. One that promised
// nothing, or of which no heartbeat is there at all, is let be.
func (s store) frozen(h Holder) bool {
	last := s.lastBeat()
	return h.Silence > 0 && last.Boot != "" && last.silent(uptime(), h.Silence)
}
