// Package plan compares what a node has with what it shall have and says what
// would change: files, effects, reasons, restart or not, and what forbids it.
// It is pure. The plan is a value: it carries a fingerprint of what was
// observed, and the engine refuses to apply one whose fingerprint is stale.
package plan

// Node is the plan for one node. Everything in it may be shown: secrets in
// diffs are masked before they get here.
type Node struct {
	// Facts are what the plan was made from, for people to read.
	Facts Facts `json:"facts"`
	// Changes in the order in which they are made. Empty means nothing to do.
	Changes []Change `json:"changes,omitempty"`
	// Restart of containerd: whether, and why or why not.
	Restart Restart `json:"restart"`
	// Delivery tells, for each registry with a credential, how it is delivered.
	Delivery []Delivery `json:"delivery,omitempty"`
	// Foreign lists what others wrote under the hosts directory. It is kept.
	Foreign []Foreign `json:"foreign,omitempty"`
	// Warnings do not stop anything.
	Warnings []Notice `json:"warnings,omitempty"`
	// Problems forbid the change; see CanApply.
	Problems []Notice `json:"problems,omitempty"`
	// Interrupted names a transaction that a crash left in the middle. It is
	// settled before anything else, and the node is then planned again.
	Interrupted string `json:"interrupted,omitempty"`
	// Fingerprint of what was observed and what is desired. Two plans with the
	// same fingerprint make the same changes.
	Fingerprint string `json:"fingerprint"`
}

// Facts are the observed facts a person wants beside a plan.
type Facts struct {
	Hostname string `json:"hostname"`
	// Release of the running containerd, such as "1.6.20"; empty when none runs.
	Release string `json:"release"`
	// ConfigFile is the daemon's root configuration file.
	ConfigFile string `json:"configFile"`
	// ConfigPath is the hosts directory that the files name; empty for none. Unless
	// they are not loaded, containerd reads it.
	ConfigPath string `json:"configPath,omitempty"`
	// ConfigPathNote says why ConfigPath is not what is written in the file.
	ConfigPathNote string `json:"configPathNote,omitempty"`
	// Unit is the systemd unit, KillMode its setting.
	Unit     string `json:"unit,omitempty"`
	KillMode string `json:"killMode,omitempty"`
}

// Action is what happens to a file.
type Action string

// The values of Action.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Change is one file that is created, updated or deleted.
type Change struct {
	// Path is absolute.
	Path   string `json:"path"`
	Action Action `json:"action"`
	// Mode the file will have, such as 0600; 0 for Delete.
	Mode uint32 `json:"mode,omitempty"`
	// Reason in a few words: "registry 192.168.21.9", "config_path must be one directory".
	Reason string `json:"reason"`
	// Effect says when it takes effect: "next pull" or "restart".
	Effect string `json:"effect"`
	// Diff is a unified diff with every secret masked. Empty for a change of mode only.
	Diff string `json:"diff,omitempty"`
	// Drift says what somebody did to the file since Pullway wrote it; empty when
	// it is as written.
	Drift string `json:"drift,omitempty"`
	// Before and After are hex SHA-256 of the contents, empty for absence.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Content is what is written. It never leaves the node.
	Content []byte `json:"-"`
}

// Restart says whether containerd restarts.
type Restart struct {
	Needed bool `json:"needed"`
	// Reasons is never empty: why it restarts, or why it does not have to.
	Reasons []string `json:"reasons"`
}

// Delivery is how one registry's credential reaches containerd, and why.
type Delivery struct {
	Host string `json:"host"`
	// Method is "header" or "cri".
	Method string `json:"method"`
	Reason string `json:"reason"`
}

// Foreign is what somebody else wrote and what is kept: a host directory, a file
// in a host directory of ours, or (in a status) a file of the configuration.
type Foreign struct {
	Path string `json:"path"`
	// Owner is who probably wrote it ("kubespray", "spegel", "k3s"), or "somebody else".
	Owner string `json:"owner"`
	// Evidence is the mark that Owner goes by; empty for somebody else.
	Evidence string `json:"evidence,omitempty"`
	// Effect is what it does to what is ours: "containerd reads it in place of
	// r.example.com:5000"; empty for nothing.
	Effect string `json:"effect,omitempty"`
	// Directory is true for what stands in the hosts directory under a name of its own.
	Directory bool `json:"directory,omitempty"`
	// InUse is true for a host directory that pulls of its registry go by now.
	InUse bool `json:"inUse,omitempty"`
	// Shadows is true when containerd reads it in place of one of ours.
	Shadows bool `json:"shadows,omitempty"`
	// NotInForce says that containerd has not read it since it was changed, and
	// since when; only for a file of the configuration.
	NotInForce string `json:"notInForce,omitempty"`
	// Conflict is true when it has the name of a registry of the spec.
	Conflict bool `json:"conflict,omitempty"`
}

// Notice is a warning or a problem: one line, and what to do about it.
type Notice struct {
	// ID is a short stable word such as "foreign-host-directory".
	ID   string `json:"id"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	// Forceable problems are passed over with --force (or --overwrite or --adopt, as the hint says).
	Forceable bool `json:"forceable,omitempty"`
}

// CanApply reports whether there is anything to do and nothing that forbids it.
// It is the one rule for that; every screen asks it.
func (n *Node) CanApply() bool { return len(n.Problems) == 0 && !n.asDesired() }

// NothingToDo reports whether the node already is as desired.
func (n *Node) NothingToDo() bool { return len(n.Problems) == 0 && n.asDesired() }

// asDesired: a restart can be due without any file to change, when somebody
// changed config.toml and containerd has not read it, and a node in the middle of
// a transaction is never what it seems.
func (n *Node) asDesired() bool {
	return len(n.Changes) == 0 && !n.Restart.Needed && n.Interrupted == ""
}
