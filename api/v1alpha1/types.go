// Package v1alpha1 holds the one specification type of Pullway: RegistryConfig
// in group pullway.dev, version v1alpha1. The same Go type is read from a file
// by the command line and is meant to serve as a custom resource.
//
// The package holds types and constants only. Reading, defaulting and checking
// live in internal/config.
package v1alpha1

// APIVersion and Kind are the only accepted values of the two type fields.
const (
	APIVersion = "pullway.dev/v1alpha1"
	Kind       = "RegistryConfig"
)

// RegistryConfig says which registries every node of a cluster pulls from, with
// which credentials, how that is proven, and how a change of it is rolled out.
type RegistryConfig struct {
	// APIVersion is always pullway.dev/v1alpha1.
	APIVersion string `json:"apiVersion"`
	// Kind is always RegistryConfig.
	Kind string `json:"kind"`
	// Metadata names this configuration.
	// Default: name: default.
	Metadata Metadata `json:"metadata,omitempty"`
	// Spec is what the nodes shall have.
	Spec Spec `json:"spec"`
}

// Metadata names a configuration.
type Metadata struct {
	// Name is recorded on every node that was given this configuration, so that
	// status and history can tell. Up to 63 small letters, digits and -.
	// Default: default.
	Name string `json:"name,omitempty"`
}

// Spec is the wanted state of the nodes and the way to get there.
type Spec struct {
	// Registries lists every registry Pullway looks after, by the host that
	// stands in image references. At least one; a host may appear once.
	Registries []Registry `json:"registries"`
	// Verify says which images prove that pulls work.
	// Default: none, so nothing is proven.
	Verify Verify `json:"verify,omitempty"`
	// Rollout says in which order and how carefully nodes are changed.
	// Default: one canary, then waves of 10%.
	Rollout Rollout `json:"rollout,omitempty"`
}

// Registry is one host of image references and where its images come from.
type Registry struct {
	// Host is the registry as it stands in image references: a DNS name, an IPv4
	// address or an IPv6 address in brackets, with the port when references have
	// one, without scheme and path. Images without a host are of docker.io; its
	// other names (index.docker.io, registry-1.docker.io) are read as docker.io.
	// A name without dot and port is no host in references, so it is refused.
	// "*" stands for every registry that is not named.
	Host string `json:"host"`
	// Endpoints are tried in this order, at most 32. "*" needs at least one.
	// Default: the host itself over https (for docker.io
	// https://registry-1.docker.io).
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Fallback says what happens when no endpoint can serve an image: "upstream"
	// asks the registry that the host names, "none" fails the pull. containerd
	// itself falls back even when nobody asked for it.
	// Default: none when every endpoint is the host itself, upstream when the
	// host is mirrored.
	Fallback Fallback `json:"fallback,omitempty"`
	// Auth is the credential for the endpoints of this registry. All of them are
	// sent it.
	// Default: anonymous pulls.
	Auth *Auth `json:"auth,omitempty"`
}

// Fallback is what happens when no endpoint can serve an image.
type Fallback string

// The values of Fallback.
const (
	FallbackUpstream Fallback = "upstream"
	FallbackNone     Fallback = "none"
)

// Endpoint is one server that images are asked of.
type Endpoint struct {
	// URL starts with http:// (plain HTTP) or https:// (never downgraded), then
	// the host and perhaps a port. A path is allowed for path mirrors, see
	// overridePath. No user name, query or fragment.
	URL string `json:"url"`
	// Capabilities of the endpoint. "resolve" turns a tag into a digest; leave it
	// out for a mirror whose tags may be stale. containerd resolves only where it
	// may pull. Without a fallback one endpoint must have both.
	// Default: pull and resolve.
	Capabilities []Capability `json:"capabilities,omitempty"`
	// TLS settings of an https endpoint. They are refused with http://, where some
	// releases of containerd would try https first.
	// Default: the certificates that the node's system trusts.
	TLS *TLS `json:"tls,omitempty"`
	// OverridePath sends the path of the URL as it is, without adding /v2: for
	// path mirrors such as Harbor proxy projects
	// (https://harbor.example.com/v2/hubcache). The URL must have a path then.
	// Default: false.
	OverridePath bool `json:"overridePath,omitempty"`
	// DialTimeout is how long to wait for a connection before the next endpoint
	// is tried, such as 2s; from 100ms to 1m. Needs containerd 2.1; older releases
	// wait 30s whatever is written, and plan says so.
	// Default: containerd's own, 30s.
	DialTimeout string `json:"dialTimeout,omitempty"`
	// Headers are sent with each request to this endpoint, and by containerd to
	// every server that a download is redirected to. At most 64. Values are
	// treated as secrets in all output. Authorization belongs into auth.
	Headers map[string]string `json:"headers,omitempty"`
}

// Capability is something an endpoint may be asked to do.
type Capability string

// The values of Capability.
const (
	CapabilityPull    Capability = "pull"
	CapabilityResolve Capability = "resolve"
)

// TLS settings of an https endpoint. File names are relative to the file that
// holds the RegistryConfig; the contents are copied to the nodes.
type TLS struct {
	// CAFile holds the PEM certificates to trust beside the system's. A private
	// key in it is refused; an expired certificate is a warning.
	CAFile string `json:"caFile,omitempty"`
	// CertFile holds the client's PEM certificates, its own first. It needs keyFile.
	CertFile string `json:"certFile,omitempty"`
	// KeyFile holds the PEM key of certFile, without a passphrase. Nodes get it
	// with mode 0600.
	KeyFile string `json:"keyFile,omitempty"`
	// InsecureSkipVerify accepts any certificate, so anybody between a node and
	// the registry can serve images. Plan warns about it; better give caFile.
	// Default: false.
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// Auth is a user name and a password that is never written into the spec.
type Auth struct {
	// Username of a robot account (better) or a user, without a colon. On Harbor
	// one node with an old password locks a user out for all nodes; a robot
	// account is not locked, and costs the server far less. Only dockerConfig
	// brings a user name of its own, which is used when this is empty.
	Username string `json:"username,omitempty"`
	// Password says where the password is read from. The password itself is
	// refused here.
	Password SecretSource `json:"password"`
	// Delivery says how nodes are given the credential: "header" (in the 0600
	// hosts.toml, no restart), "cri" (in config.toml, with a restart) or "auto"
	// (header wherever the registry and the containerd release take it: every
	// release for Harbor and others that take Basic, containerd 2.1 for
	// registries that take tokens only).
	// Default: auto.
	Delivery Delivery `json:"delivery,omitempty"`
}

// Delivery is how a credential reaches containerd.
type Delivery string

// The values of Delivery.
const (
	DeliveryAuto   Delivery = "auto"
	DeliveryHeader Delivery = "header"
	DeliveryCRI    Delivery = "cri"
)

// SecretSource says where a secret is read from, on the machine that runs
// pullway. Exactly one field is set. File names are relative to the file that
// holds the RegistryConfig; ~/ is the home directory. A secret may hold any
// text but NUL.
type SecretSource struct {
	// Env names an environment variable. It must be set and not empty.
	Env string `json:"env,omitempty"`
	// File names a file; one line end at its end is cut off. It may be a pipe.
	File string `json:"file,omitempty"`
	// DockerConfig names a docker config.json. The entry of the first endpoint's
	// host that it knows is used, its user name too when username is empty. It is
	// not the entry of the host in image references: a mirror is not sent the
	// password of what it mirrors. Entries that a docker-credential program keeps
	// are asked of it; identity tokens are refused.
	DockerConfig string `json:"dockerConfig,omitempty"`
	// AnsibleVault names a variable in an ansible-vault encrypted file. It is
	// read by the ansible-vault program, which must be installed.
	AnsibleVault *AnsibleVaultRef `json:"ansibleVault,omitempty"`
	// SecretRef names a Secret of the cluster. It is for life inside a cluster;
	// the command line refuses it.
	SecretRef *SecretRef `json:"secretRef,omitempty"`
}

// AnsibleVaultRef names one variable of a vault file.
type AnsibleVaultRef struct {
	// File is the encrypted file, or a YAML file with !vault values.
	File string `json:"file"`
	// Key is the variable's name, at the top level of the file.
	Key string `json:"key"`
	// PasswordFile holds the vault's password; nobody is asked for it.
	// Default: Ansible's own settings, such as ANSIBLE_VAULT_PASSWORD_FILE.
	PasswordFile string `json:"passwordFile,omitempty"`
}

// SecretRef names a key of a Kubernetes Secret.
type SecretRef struct {
	// Namespace of the Secret.
	Namespace string `json:"namespace"`
	// Name of the Secret.
	Name string `json:"name"`
	// Key inside the Secret's data.
	Key string `json:"key"`
}

// Verify says which images prove that pulls work.
type Verify struct {
	// Images are pulled on every changed node through the configured endpoints
	// only. Use one small image of each registry, best a private one: a public
	// project takes a wrong password, too, so it proves none. A registry without
	// an image is a warning, an image of no registry of the spec a problem.
	Images []string `json:"images,omitempty"`
}

// Rollout says in which order and how carefully nodes are changed.
type Rollout struct {
	// Canary is the number of nodes that are changed first, alone. 0 means no
	// canary.
	// Default: 1.
	Canary *int `json:"canary,omitempty"`
	// MaxUnavailable is how many nodes may be down at once: those that are being
	// changed or put back, and those that are down already (unreachable, broken,
	// lost, or not Ready where Kubernetes is asked). It is the size of a wave. A
	// number of nodes from 1, or from 1% to 100% of the nodes that the command
	// names, rounded down: 10% of 19 is 1, of 20 is 2. It is never less than one,
	// so that a small cluster can go on: 10% of 3 is 1, of 1 is 1.
	// Default: 10%.
	MaxUnavailable IntOrPercent `json:"maxUnavailable,omitempty"`
	// FailureBudget is how many failed nodes are tolerated before the run stops
	// by itself. A failed canary always stops it.
	// Default: 0.
	FailureBudget int `json:"failureBudget,omitempty"`
	// OnFailure says what else is put back when the run stops, after a failed
	// node has put itself back: the rest of its wave ("rollback-wave"), every node
	// of the run ("rollback-run"), or nothing ("rollback-node", "stop").
	// Default: rollback-wave.
	OnFailure OnFailure `json:"onFailure,omitempty"`
	// ConfirmWithin is how long a changed node waits to hear from us again before
	// it puts itself back; from 10s to 10m.
	// Default: 60s.
	ConfirmWithin string `json:"confirmWithin,omitempty"`
	// Groups of the inventory that are finished one after the other, such as one
	// for each zone or rack; a wave never mixes them. Nodes in none of them come
	// after them, and a node in several counts for the first. Each must have a
	// node in the inventory. Control-plane nodes keep to controlPlane, and to this
	// order among themselves.
	Groups []string `json:"groups,omitempty"`
	// ControlPlane says when control-plane nodes go, one by one and with no other
	// node beside them: after all workers ("last"), before them ("first", and the
	// canary is one of them then), or in their place in the inventory
	// ("with-workers"). Members of the groups kube_control_plane and etcd are
	// control-plane nodes.
	// Default: last.
	ControlPlane ControlPlaneOrder `json:"controlPlane,omitempty"`
}

// IntOrPercent is a count such as 3 or a percentage such as "10%".
type IntOrPercent string

// OnFailure says what is put back when a run stops.
type OnFailure string

// The values of OnFailure.
const (
	RollbackNode OnFailure = "rollback-node"
	RollbackWave OnFailure = "rollback-wave"
	RollbackRun  OnFailure = "rollback-run"
	StopOnly     OnFailure = "stop"
)

// ControlPlaneOrder says when control-plane nodes are changed.
type ControlPlaneOrder string

// The values of ControlPlaneOrder.
const (
	ControlPlaneLast        ControlPlaneOrder = "last"
	ControlPlaneFirst       ControlPlaneOrder = "first"
	ControlPlaneWithWorkers ControlPlaneOrder = "with-workers"
)
