// Package cli is the command line of pullway: one file a verb. A command turns
// its flags into one call and gives the result to a view; it decides nothing.
//
// Output rules: results go to standard output, progress, warnings and errors to
// standard error. -o json writes one JSON document, documented in
// docs/reference/json.md. On a terminal long work is shown live.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is what every command shares: it is built in Run and passed along.
type app struct {
	streams Streams
	// interrupts delivers Ctrl-C, SIGTERM and SIGHUP; see stopping.
	interrupts <-chan os.Signal
	output     string
	quiet      bool
	verbose    bool
	noColor    bool
	now        func() time.Time
	limits     limits
}

// limits of what nodes may take; the zero value means the defaults.
type limits struct {
	timeouts fleet.Timeouts
	// budget is for protocol.NewBudget.
	budget int64
	// every is the time between two looks at a workload.
	every time.Duration
}

// Run executes one command line and returns its exit code. interrupts hands over
// signals: a command that changes nodes takes them and stops in good order, every
// other one leaves them to the caller.
func Run(ctx context.Context, args []string, s Streams, interrupts <-chan os.Signal) int {
	a := &app{streams: s, interrupts: interrupts, now: time.Now, limits: limits{budget: protocol.DefaultBudget}}
	return a.main(ctx, args)
}

func (a *app) main(ctx context.Context, args []string) int {
	s, root := a.streams, a.root()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	code := codeOf(err)
	if code == ExitFailed && isUsage(err) {
		code = ExitUsage
	}
	if text := err.Error(); text != "" {
		for _, line := range strings.Split(text, "\n") {
			_, _ = fmt.Fprintln(s.Err, "pullway:", report.Clean(line))
		}
		if hint := hintOf(err); hint != "" {
			_, _ = fmt.Fprintln(s.Err, "  hint:", report.Clean(hint))
		}
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pullway",
		Short: "Wire containerd nodes to private registries, and prove it with real pulls",
		Long: `Pullway wires every containerd node of a Kubernetes cluster to your private
registries (Harbor and any other OCI registry) and proves it with real pulls:
a plan you can read first, a backup, a rollout in waves, and an undo that
happens by itself when a node can no longer pull.

Every command is read-only unless its name says otherwise: apply, rollback,
prepull and doctor --fix change nodes, policy freeze and restore change workloads,
and ask before they do.`,
		Example: `  pullway init --registry http://192.168.21.9 --username 'robot$nodes' --password-env HARBOR_PASSWORD > pullway.yaml
  pullway plan   -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway apply  -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway verify -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway rollback last -i inventory/mycluster/hosts.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.output, "output", "o", "human", "output format: human or json; assess: html, doctor: sarif")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on standard error")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "tell every step of every node")
	f.BoolVar(&a.noColor, "no-color", false, "no colours (also by the environment variable NO_COLOR)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if all := outputs(cmd); !slices.Contains(all, a.output) {
			return usage(fmt.Errorf("unknown output format %q", a.output), "use -o "+strings.Join(all, " or -o "))
		}
		return nil
	}
	_ = root.RegisterFlagCompletionFunc("output", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return outputs(cmd), cobra.ShellCompDirectiveNoFileComp
	})
	root.AddCommand(a.initCommand(), a.importCommand(), a.assessCommand(), a.planCommand(), a.applyCommand(), a.verifyCommand(), a.statusCommand(), a.historyCommand(),
		a.rollbackCommand(), a.prepullCommand(), a.policyCommand(), a.traceCommand(), a.doctorCommand(), a.kubesprayCommand(), a.versionCommand())
	return root
}

// moreOutputs is the annotation of a command with an output format of its own.
const moreOutputs = "output"

// outputs are the formats that a command has.
func outputs(cmd *cobra.Command) []string {
	all := []string{"human", "json"}
	if more := cmd.Annotations[moreOutputs]; more != "" {
		all = append(all, more)
	}
	return all
}

// view is a result that can be shown both ways.
type view interface{ Human(out *report.Printer) }

// page is a result that can be shown in a browser, too; see moreOutputs.
type page interface {
	HTML(w io.Writer, made time.Time) error
}

// show writes a result in the format that was asked for.
func (a *app) show(v view) error {
	switch a.output {
	case "json":
		return report.JSON(a.streams.Out, v)
	case "html":
		return v.(page).HTML(a.streams.Out, a.now())
	}
	v.Human(report.NewPrinter(a.streams.Out, a.coloured(a.streams.Out)))
	return nil
}

// progress makes the view of what is under way.
func (a *app) progress() *report.Progress {
	if a.quiet {
		return report.NewProgress(io.Discard, false, false)
	}
	return report.NewProgress(a.streams.Err, a.coloured(a.streams.Err) && !a.verbose, a.verbose)
}

// warn writes a warning to standard error.
func (a *app) warn(text, hint string) {
	_, _ = fmt.Fprintln(a.streams.Err, "warning:", report.Clean(text))
	if hint != "" {
		_, _ = fmt.Fprintln(a.streams.Err, "  hint:", report.Clean(hint))
	}
}

func (a *app) coloured(w io.Writer) bool {
	return !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(s any) bool {
	f, ok := s.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
