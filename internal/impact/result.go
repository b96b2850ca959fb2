package impact

// Verdict is what becomes of a workload when the change is made.
type Verdict string

// The verdicts, the worst first.
const (
	// FailsNow: it has to pull while the change is made or fails already, and the
	// pull fails.
	FailsNow Verdict = "fails-now"
	// FailsIfRestarted: its containers run on; one that ends is not started again on
	// its node.
	FailsIfRestarted Verdict = "fails-if-restarted"
	// FailsIfMoved: it can be restarted where it is; on at least one other node that
	// it could go to it would not start.
	FailsIfMoved Verdict = "fails-if-moved"
	Safe         Verdict = "safe"
)

// Verdicts in the order of harm.
var Verdicts = []Verdict{FailsNow, FailsIfRestarted, FailsIfMoved, Safe}

func (v Verdict) rank() int {
	for i, w := range Verdicts {
		if v == w {
			return i
		}
	}
	return len(Verdicts)
}

// worse is the worse of two.
func worse(a, b Verdict) Verdict {
	if b.rank() < a.rank() {
		return b
	}
	return a
}

// Cause is whether the change has to do with it.
type Cause string

// The values of Cause.
const (
	// ByChange: it would not be so without the change.
	ByChange Cause = "change"
	// Already: it is so now, and the change leaves it as it is.
	Already Cause = "already"
)

func (c Cause) rank() int {
	switch c {
	case ByChange:
		return 0
	case Already:
		return 1
	}
	return 2
}

// Exposure is what makes harm likely, soon or big. See Exposures for the texts.
type Exposure string

// The exposures.
const (
	SingleReplica Exposure = "single-replica"
	NoReplicaLeft Exposure = "budget-exhausted" // its PodDisruptionBudget allows none now
	NoBudget      Exposure = "no-budget"
	EveryNode     Exposure = "daemonset"
	BarePod       Exposure = "bare-pod" // nobody makes it again
	StaticPod     Exposure = "static-pod"
	CrashLoop     Exposure = "crash-looping"
	NotStarted    Exposure = "pending"
	PullBackoff   Exposure = "image-pull-backoff"
	RollingOut    Exposure = "rollout-under-way"
	ScalingUp     Exposure = "scaling-up" // its HorizontalPodAutoscaler wants more
	DueSoon       Exposure = "due-soon"   // a CronJob that starts within the window
	HighPriority  Exposure = "high-priority"
)

// Image is one image of a workload, or of several containers of it.
type Image struct {
	// Container that has it, the first of several, and what it is.
	Container string `json:"container"`
	Kind      string `json:"kind"`
	// Ref is the normalised reference; as written when it is none.
	Ref     string  `json:"image"`
	Policy  Policy  `json:"policy"`
	Verdict Verdict `json:"verdict"`
	Cause   Cause   `json:"cause,omitempty"`
	// Rule is the name of the reason, such as pulls-on-start; see Rules.
	Rule string `json:"rule"`
	// Reason and Do are one line each; Do is empty when there is nothing to do. Pull
	// says why a pull fails, where that is a part of the reason.
	Reason string `json:"reason"`
	Pull   string `json:"pull,omitempty"`
	Do     string `json:"do,omitempty"`
	// Nodes that it could run on, and how many of them lack the image; Unknown is
	// how many may have it: their status names 50 images only.
	Nodes   int `json:"nodes"`
	Lacking int `json:"lacking"`
	Unknown int `json:"unknown,omitempty"`
	// Before and After are the endpoints asked in turn; Before is empty when no
	// node was asked.
	Before []string `json:"before,omitempty"`
	After  []string `json:"after,omitempty"`
	// PullSecrets tells that the pods have pull secrets of their own.
	PullSecrets bool `json:"pullSecrets,omitempty"`
}

// Workload is the verdict on one workload: that of its worst image.
type Workload struct {
	Namespace string  `json:"namespace"`
	Kind      string  `json:"kind"`
	Name      string  `json:"name"`
	Verdict   Verdict `json:"verdict"`
	Cause     Cause   `json:"cause,omitempty"`
	Rule      string  `json:"rule"`
	Reason    string  `json:"reason"`
	Pull      string  `json:"pull,omitempty"`
	Do        string  `json:"do,omitempty"`
	// Pods on the nodes in question, and InCluster on all.
	Pods      int `json:"pods"`
	InCluster int `json:"podsInCluster"`
	// On are up to MostNames names of nodes where the verdict holds, and OnNodes
	// their number.
	On      []string   `json:"on,omitempty"`
	OnNodes int        `json:"onNodes"`
	Exposed []Exposure `json:"exposed,omitempty"`
	// Budget is the PodDisruptionBudget that covers it, and Due when it is due.
	Budget string `json:"budget,omitempty"`
	Due    string `json:"due,omitempty"`
	// Priority of its pods.
	Priority int32 `json:"priority,omitempty"`
	// Images, the worst first.
	Images []Image `json:"images"`
	owner  int32
}

// MostNames is how many names of nodes stand in a Workload.
const MostNames = 8

// Counts of workloads by verdict.
type Counts struct {
	FailsNow         int `json:"failsNow"`
	FailsIfRestarted int `json:"failsIfRestarted"`
	FailsIfMoved     int `json:"failsIfMoved"`
	Safe             int `json:"safe"`
}

// Add counts one more of v.
func (c *Counts) Add(v Verdict) {
	switch v {
	case FailsNow:
		c.FailsNow++
	case FailsIfRestarted:
		c.FailsIfRestarted++
	case FailsIfMoved:
		c.FailsIfMoved++
	default:
		c.Safe++
	}
}

// All is how many were counted.
func (c Counts) All() int { return c.FailsNow + c.FailsIfRestarted + c.FailsIfMoved + c.Safe }

// Harmed is how many of them are not safe.
func (c Counts) Harmed() int { return c.All() - c.Safe }

// NodeImpact is what the change does on one node.
type NodeImpact struct {
	// Name is the Kubernetes node's, Machine that of the inventory; one may be empty.
	Name    string `json:"name,omitempty"`
	Machine string `json:"machine,omitempty"`
	// Wave of the rollout, 0 for the canary; -1 when it is not known.
	Wave int `json:"wave"`
	// Restart of containerd; nil when the node was not asked. Why is its reason.
	Restart *bool  `json:"restart,omitempty"`
	Why     string `json:"why,omitempty"`
	// Recreates: the restart ends or recreates every pod of the node, and why.
	Recreates string `json:"recreates,omitempty"`
	Cordoned  bool   `json:"cordoned,omitempty"`
	// Drained: cordoned, and nothing runs there but what every node has.
	Drained bool `json:"drained,omitempty"`
	Ready   bool `json:"ready"`
	// Pods that run there and the workloads they are of, by what becomes of them there.
	Pods      int    `json:"pods"`
	Workloads Counts `json:"workloads"`
	// Registries tells what the node itself was told by each endpoint.
	Registries []Endpoint `json:"registries,omitempty"`
	// Problem is why the node was not asked or would be refused.
	Problem string `json:"problem,omitempty"`
}

// WaveImpact counts workloads of the nodes of one wave.
type WaveImpact struct {
	Wave      int      `json:"wave"`
	Nodes     []string `json:"nodes"`
	Restarts  int      `json:"restarts"`
	Workloads Counts   `json:"workloads"`
}

// Endpoint is what one endpoint of the specification answered.
type Endpoint struct {
	// Registry is its host as in the specification, URL the endpoint.
	Registry string `json:"registry"`
	URL      string `json:"url"`
	// Asked tells that it was asked at all, OK that it answered as a registry and
	// took the credential.
	Asked bool   `json:"asked"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Fault is one word for programs: unreachable, dns, unknown-ca, credential …
	Fault string `json:"fault,omitempty"`
	// Images asked of it, and how many of them it has.
	Images int `json:"images"`
	Has    int `json:"has"`
}

// Restarts is what the restart of containerd means.
type Restarts struct {
	// Known is how many nodes were asked for their plan.
	Known int `json:"known"`
	// Nodes whose containerd restarts, and Pods that run on them.
	Nodes []string `json:"nodes,omitempty"`
	Pods  int      `json:"pods"`
	// Recreate are those of them where every pod is ended or made anew.
	Recreate []string `json:"recreate,omitempty"`
}

// Assessment is the result.
type Assessment struct {
	// Version of the API server, and how much was looked at.
	Version    string `json:"version,omitempty"`
	Nodes      int    `json:"nodes"`
	Pods       int    `json:"pods"`
	Containers int    `json:"containers"`
	// InQuestion is how many of the nodes the change is for.
	InQuestion int `json:"inQuestion"`
	// Workloads in question by verdict.
	Summary Counts `json:"summary"`
	// ByChange counts those that fail because of the change.
	ByChange Counts `json:"byChange"`
	// OnRestart counts workloads that fail now or if restarted on a node whose
	// containerd restarts; see Guard.
	OnRestart int        `json:"onRestart"`
	Restarts  Restarts   `json:"restarts"`
	Endpoints []Endpoint `json:"registries"`
	// Waves in their order; none without an inventory.
	Waves []WaveImpact `json:"waves,omitempty"`
	// NodeImpacts in the order of the inventory, else by name.
	NodeImpacts []NodeImpact `json:"perNode"`
	// Workloads sorted by harm: those that the change hurts, the worst first, then those
	// that fail without it; safe ones only with --all.
	Workloads []Workload `json:"workloads"`
	// AlwaysPull is the API server that turns every policy into Always.
	AlwaysPull string `json:"alwaysPullImages,omitempty"`
	Gaps       []Gap  `json:"gaps,omitempty"`

	needs func() []Need
}
