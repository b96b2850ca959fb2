package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/engine"
	"github.com/pullway/pullway/internal/report"
)

// version is set by the linker; see the Makefile.
var version string

// Version is this build's version.
func Version() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

// versionResult is the result of `pullway version`.
type versionResult struct {
	Schema  string          `json:"schema"`
	Version string          `json:"version"`
	Go      string          `json:"go"`
	Engines []versionEngine `json:"engines"`
}

type versionEngine struct {
	Arch   string `json:"arch"`
	SHA256 string `json:"sha256,omitempty"`
	Size   int64  `json:"size,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Human implements view.
func (v versionResult) Human(out *report.Printer) {
	out.Say("pullway %s (%s)", v.Version, v.Go)
	for _, e := range v.Engines {
		if e.Error != "" {
			out.Say("engine linux/%s: %s", e.Arch, e.Error)
			continue
		}
		out.Say("engine linux/%s: %.1f MB, sha256 %s", e.Arch, float64(e.Size)/1e6, e.SHA256[:16])
	}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version, and the node engines that this build carries",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionResult{Schema: "pullway.dev/version/v1", Version: Version(), Go: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)}
			for _, arch := range []string{"amd64", "arm64"} {
				e, err := engine.Embedded().For(arch)
				ve := versionEngine{Arch: arch, SHA256: e.SHA256, Size: e.Size}
				if err != nil {
					ve.Error = err.Error()
				}
				v.Engines = append(v.Engines, ve)
			}
			return a.show(v)
		},
	}
}
