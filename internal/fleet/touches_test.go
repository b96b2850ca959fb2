package fleet

import (
	"testing"

	"github.com/pullway/pullway/internal/protocol"
)

// An engine that was lost while it proved the new endpoints had changed nothing.
func TestTouches(t *testing.T) {
	for step, want := range map[protocol.Step]bool{
		protocol.StepStage: false, protocol.StepBackup: false, protocol.StepArm: false, protocol.StepProbe: false,
		protocol.StepSwap: true, protocol.StepRestart: true, protocol.StepProve: true, protocol.StepProven: true,
		protocol.StepLinger: true, protocol.StepRemove: true, protocol.StepCommit: true, protocol.StepUndo: true,
	} {
		if touches(step) != want {
			t.Errorf("touches(%s) = %v", step, !want)
		}
	}
}
