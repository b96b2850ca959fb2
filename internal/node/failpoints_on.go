//go:build failpoints

package node

import (
	"github.com/pullway/pullway/internal/failpoint/script"
	"github.com/pullway/pullway/internal/protocol"
)

// instrument has the engine strike itself as the orders on this node say.
func instrument(e *Engine) {
	s := script.Open(script.File)
	tell := e.tell
	e.tell = func(step protocol.Step, text string) {
		s.Step(string(step))
		tell(step, text)
	}
	e.store.disk.hook = s.Pass
	e.now = s.Now
}
