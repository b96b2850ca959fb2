// Package kubespray knows what a Kubespray checkout makes of registry variables:
// which ones its templates read, in which shape, and what comes of the others.
//
// What a checkout does is probed from its own templates and tasks, never taken
// from galaxy.yml, which is wrong in v2.22.0, v2.22.1 and v2.23.0. A release that
// is not at hand is looked up in a table that was made by probing its tag.
package kubespray

import (
	"fmt"
	"slices"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// Profile is what one checkout, or one release, does with registry variables.
type Profile struct {
	// Release such as "2.27.1", from the table; empty when a checkout was probed.
	Release string `json:"release,omitempty"`
	// Registries: containerd_registries, a map of name to URL, is read (2.16 to 2.22).
	Registries bool `json:"registries,omitempty"`
	// Insecure is how containerd_insecure_registries is read.
	Insecure Insecure `json:"insecure,omitempty"`
	// Mirrors: containerd_registries_mirrors, a list, is read (2.23 on).
	Mirrors bool `json:"mirrors,omitempty"`
	// MirrorKeys are the keys of a mirror that reach hosts.toml.
	MirrorKeys []string `json:"mirrorKeys,omitempty"`
	// Server: an entry's own `server` is read (2.25 on).
	Server bool `json:"server,omitempty"`
	// ConfigPath says when config.toml names the hosts directory.
	ConfigPath ConfigPath `json:"configPath,omitempty"`
	// Auth says when containerd_registry_auth, a list, reaches config.toml.
	Auth Auth `json:"auth,omitempty"`
	// ExtraArgs: containerd_extra_args is pasted into config.toml.
	ExtraArgs bool `json:"extraArgs,omitempty"`
	// Containerd is the release that is installed by default.
	Containerd string `json:"containerd,omitempty"`
	// RuntimeKeys are keys that containerd_runc_runtime must have for the 1.x
	// template and that the role's default lacks (2.30 on): with containerd 1.x the
	// task fails.
	RuntimeKeys []string `json:"runtimeKeys,omitempty"`
	// NeverRestarts: the restart handler is skipped (2.19, issue 9019).
	NeverRestarts bool `json:"neverRestarts,omitempty"`
	// Bootstraps: --tags=containerd also runs the whole bootstrap-os role (2.22, 2.23).
	Bootstraps bool `json:"bootstraps,omitempty"`
	// OtherEngines: --tags=containerd also reaches docker's and CRI-O's role, by
	// container_manager (2.31 on).
	OtherEngines bool `json:"otherEngines,omitempty"`
	// HidesLogs: the registry tasks have no_log, so their errors are censored (2.29 on).
	HidesLogs bool `json:"hidesLogs,omitempty"`
	// RolePrefix is the word that task names begin with: "containerd" or "Containerd".
	RolePrefix string `json:"rolePrefix,omitempty"`
	// DefaultsRole is the role that holds the defaults of all: kubespray-defaults or kubespray_defaults.
	DefaultsRole string `json:"defaultsRole,omitempty"`
}

// Insecure is a shape of containerd_insecure_registries.
type Insecure string

// The shapes.
const (
	InsecureNone Insecure = ""     // not read, silently
	InsecureList Insecure = "list" // a list of host[:port] (2.18.0)
	InsecureMap  Insecure = "map"  // a map of name to URL (2.18.1 to 2.22)
	// InsecureBroken: a map fills config.toml with a file that containerd refuses,
	// then the next task fails (2.21, issues 9741 and 9720).
	InsecureBroken Insecure = "broken"
)

// ConfigPath says when config.toml sets config_path.
type ConfigPath string

// The ways.
const (
	ConfigPathNever    ConfigPath = ""
	ConfigPathInsecure ConfigPath = "insecure" // when insecure entries are set (2.21)
	ConfigPathSwitch   ConfigPath = "switch"   // by containerd_use_config_path (2.22 to 2.26)
	ConfigPathAlways   ConfigPath = "always"   // 2.27 on
)

// Auth says when containerd_registry_auth takes effect.
type Auth string

// The ways.
const (
	AuthNever  Auth = ""
	AuthAlways Auth = "always" // 2.17 to 2.27
	AuthOnly1x Auth = "1.x"    // only with containerd before 2.0 (2.28 on)
)

// Key reports whether a key of a mirror reaches hosts.toml.
func (p Profile) Key(name string) bool { return slices.Contains(p.MirrorKeys, name) }

// Line names the profile by what people say: the releases that behave like it.
func (p Profile) Line() string {
	switch {
	case p.Mirrors && p.Key("header"):
		return "2.29 and later"
	case p.Mirrors && p.Auth == AuthOnly1x:
		return "2.28"
	case p.Mirrors && p.ConfigPath == ConfigPathAlways:
		return "2.27"
	case p.Mirrors:
		return "2.23 to 2.26"
	case p.Insecure == InsecureBroken:
		return "2.21"
	case p.Insecure == InsecureMap:
		return "2.18.1 to 2.20, and 2.22"
	case p.Registries:
		return "2.16 to 2.18.0"
	}
	return "before 2.16"
}

// Template is what the profile's hosts.toml.j2 knows.
func (p Profile) Template() hoststoml.Template {
	return hoststoml.Template{Server: p.Server, OverridePath: p.Key("override_path"), Certificates: p.Key("ca"), Header: p.Key("header")}
}

// CarriesAuth reports whether a credential can be handed to a node's containerd
// of that release by a variable of this profile, and by which one.
func (p Profile) CarriesAuth(major int) (variable string, ok bool) {
	switch {
	case p.Key("header"):
		return "header of a mirror in " + VarMirrors, true
	case p.Auth == AuthAlways, p.Auth == AuthOnly1x && major == 1:
		return VarAuth, true
	}
	return "", false
}

// HeaderAuth reports whether a credential stands in hosts.toml as a header, for a
// containerd of that release; else it stands in config.toml.
func (p Profile) HeaderAuth(major int) bool { return p.Key("header") && major != 1 }

// reads reports whether a variable takes effect with containerd of that release.
func (p Profile) reads(variable string, major int) bool {
	switch variable {
	case VarRegistries:
		return p.Registries
	case VarInsecure:
		return p.Insecure != InsecureNone
	case VarMirrors:
		return p.Mirrors
	case VarAuth:
		return p.Auth == AuthAlways || p.Auth == AuthOnly1x && major != 2
	case VarUseConfigPath:
		return p.ConfigPath == ConfigPathSwitch
	}
	return true
}

// String is one line for people.
func (p Profile) String() string {
	name := "a checkout like Kubespray " + p.Line()
	if p.Release != "" {
		name = "Kubespray " + p.Release
	}
	if p.Containerd != "" {
		name += fmt.Sprintf(" (installs containerd %s)", p.Containerd)
	}
	return name
}

// The variables that one release or another reads.
const (
	VarRegistries    = "containerd_registries"
	VarInsecure      = "containerd_insecure_registries"
	VarMirrors       = "containerd_registries_mirrors"
	VarAuth          = "containerd_registry_auth"
	VarUseConfigPath = "containerd_use_config_path"
	VarExtraArgs     = "containerd_extra_args"
	VarVersion       = "containerd_version"
	VarManager       = "container_manager"
	VarRuncRuntime   = "containerd_runc_runtime"
	VarConfigDir     = "containerd_cfg_dir"
)
