package containerd

import "strings"

// Defaults of a containerd that is told nothing else (defaults/defaults_unix.go).
const (
	DefaultConfigFile = "/etc/containerd/config.toml"
	DefaultAddress    = "/run/containerd/containerd.sock"
	DefaultRoot       = "/var/lib/containerd"
	DefaultState      = "/run/containerd"
)

// Args are what a containerd command line says, with containerd's defaults.
type Args struct {
	ConfigFile, Address, Root, State, LogLevel string
}

// ParseArgs reads the argv of a running daemon, program name included. Flags it
// does not know are passed over; -x, --x V and --x=V are the same, as in
// urfave/cli, which containerd uses.
func ParseArgs(argv []string) Args {
	a := Args{ConfigFile: DefaultConfigFile, Address: DefaultAddress, Root: DefaultRoot, State: DefaultState}
	into := map[string]*string{"c": &a.ConfigFile, "config": &a.ConfigFile, "a": &a.Address, "address": &a.Address,
		"root": &a.Root, "state": &a.State, "l": &a.LogLevel, "log-level": &a.LogLevel}
	for i := 1; i < len(argv); i++ {
		name := strings.TrimLeft(argv[i], "-")
		if name == argv[i] {
			continue
		}
		name, value, joined := strings.Cut(name, "=")
		slot := into[name]
		if slot == nil {
			continue
		}
		if !joined {
			if i+1 == len(argv) {
				break
			}
			i++
			value = argv[i]
		}
		if value != "" {
			*slot = value
		}
	}
	a.Address = strings.TrimPrefix(a.Address, "unix://")
	return a
}
