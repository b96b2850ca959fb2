package impact

// reason is why a verdict is what it is; see text.go for the words.
type reason uint8

const (
	fine          reason = iota
	noneNeeded           // it runs, has its image and is never started again
	pullWorks            // the endpoints serve its image
	untouched            // the specification does not name its registry
	bySecret             // the registry wants a credential, and the pod has a pull secret
	onEveryNode          // present wherever it could go
	neverMoves           // present where it is, and it stays there
	recovers             // back-off now, and the change repairs it
	lacksElse            // some nodes lack the image
	lacksNever           // the same, and the policy is Never
	rechecked            // some nodes would ask the registry about the credential
	pullsOnStart         // Always, and the pull fails
	gone                 // the image is not on its node any more, and the pull fails
	goneNever            // the same, and the policy is Never
	laterRun             // a CronJob that is not due within the window
	waits                // it waits for the image now
	crashes              // Always, and it is restarted all the time
	recreated            // the restart of containerd recreates the pod
	startsSoon           // a CronJob that is due
	grows                // an autoscaler or a rollout is making pods
	waitsForever         // ErrImageNeverPull
	failedAlready        // back-off, and the endpoints are as they were
	noName               // the reference is none
	reasons
)

// names of the reasons, for programs. They are stable.
var ruleNames = [reasons]string{
	noneNeeded: "never-restarts", pullWorks: "pull-works", untouched: "untouched", bySecret: "own-pull-secret",
	onEveryNode: "on-every-node", neverMoves: "never-moves", recovers: "recovers",
	lacksElse: "lacks-elsewhere", lacksNever: "lacks-and-never-pulls", rechecked: "credential-rechecked",
	pullsOnStart: "pulls-on-start", gone: "image-gone", goneNever: "gone-and-never-pulls", laterRun: "next-run",
	waits: "waits-for-image", crashes: "crashes-and-pulls", recreated: "recreated-by-restart", startsSoon: "starts-soon", grows: "scaling-up",
	waitsForever: "never-pulls", failedAlready: "failed-already", noName: "no-reference",
}

func (r reason) String() string { return ruleNames[r] }

// Rules are the names of all reasons, from safe to failing now.
func Rules() []string { return ruleNames[1:] }
