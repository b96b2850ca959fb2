package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// doctorFlags say what doctor looks at, and how.
type doctorFlags struct {
	root, release string
	ignore        []string
	explain       string
	message       string
	messageFile   string
	fixFlags
	pulls pullFlags
}

func (a *app) doctorCommand() *cobra.Command {
	var f doctorFlags
	var nodes nodeFlags
	c := &cobra.Command{
		Use:   "doctor [FILE or DIR]...",
		Short: "Find known ways to get containerd's registry configuration wrong",
		Long: `Look for some 80 known ways to get containerd's registry configuration wrong, and
say for each where it is, what this release of containerd makes of it, what becomes
of it with newer ones, and what to do.

FILE is a config.toml or a hosts.toml. DIR is a hosts directory, a copy of
/etc/containerd, the root of a node, or a folder of such folders, one a node.
Nothing is run and no network is needed. Without --containerd-version all lines of
containerd from 1.6 on are judged.

With -i, --nodes or --local nodes are asked: the running release is known there, and
what changed after containerd started. Nothing is changed.

Where a mistake can be mended in one way only, the diff is shown; --fix writes it,
and what is left decides the exit code. Beside a file a backup is left. Nodes are
changed as apply changes them: the diffs are shown and agreed to, a canary goes
first, then waves; each node backs up what it changes, has a new config.toml checked
by containerd's own binary, restarts containerd only for that, and puts itself back
when CRI is not well afterwards, or cannot pull an image of --verify. A node on which
something changed since it was shown is left alone. It stands in history, and
rollback undoes it.

Of nodes, containerd's journal of the last hour (--since) is read for pulls that
failed: for each image the newest error, what hosts before said, how often, the rules
that these texts are of, and whether it was pulled since. With --kubeconfig the events
of kubelets (ErrImagePull, ImagePullBackOff) are read in the same way, for all nodes
of the cluster. They do not count for the exit code: what failed may be past.

With --error it says which rules an error message is of: what crictl printed, an
event of kubelet, or lines of containerd's log (--error-file, - for standard input).

S1: containerd does not start. S2: it runs without CRI. S3: something is ignored in
silence. S4: pulls fail. Advice: it works today.

Exit code 0, 3 when a problem of S1 to S3 was found (S4 takes a pull to be sure) or
CRI of a node is not well, 1 when something could not be looked at and no problem was
found; 3 with --dry-run when something would be mended. A fix of nodes that fails ends
as an apply does: 1 nothing changed, 4 put back, 5 hands needed, 6 stopped part-way.`,
		Example: `  pullway doctor --containerd-version 1.7.35 /etc/containerd
  pullway doctor --containerd-version 2.2.3 copies/        # a folder of nodes
  pullway doctor -i inventory/mycluster/hosts.yaml
  pullway doctor -i inventory/mycluster/hosts.yaml --fix --dry-run
  pullway doctor --local --since 15m
  pullway doctor --kubeconfig ~/.kube/config
  pullway doctor -o sarif roles/containerd/files > doctor.sarif
  pullway doctor --explain CFG015
  pullway doctor --error 'http: server gave HTTP response to HTTPS client'
  journalctl -u containerd --since -10m | pullway doctor --error-file -`,
		Annotations: map[string]string{moreOutputs: "sarif"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.explain != "":
				return a.explainRule(f.explain)
			case f.message != "" || f.messageFile != "":
				return a.explainMessage(f)
			}
			if err := f.fits(nodes.named()); err != nil {
				return err
			}
			if err := f.pulls.read(cmd.Context(), a.now(), f.fix && nodes.named()); err != nil {
				return err
			}
			if nodes.named() {
				return a.askDoctor(cmd.Context(), nodes, f, args)
			}
			if f.pulls.events != nil && len(args) == 0 && f.root == "" {
				if err := f.known(); err != nil {
					return err
				}
				return a.diagnose(f.pulls.with(report.NewDoctor(nil), f.ignore))
			}
			trees, err := a.trees(f, args)
			if err != nil {
				return err
			}
			return a.examine(cmd.Context(), trees, f)
		},
	}
	f.register(c)
	nodes.register(c)
	return c
}

// askDoctor has nodes look at themselves.
func (a *app) askDoctor(ctx context.Context, nodes nodeFlags, f doctorFlags, args []string) error {
	switch {
	case len(args) > 0 || f.root != "":
		return usage(errors.New("both nodes and files were named"), "look at one of them at a time")
	case f.release != "":
		return usage(errors.New("--containerd-version is for files: a node says which release it runs"), "leave it out")
	}
	if err := f.known(); err != nil {
		return err
	}
	if f.fix {
		return a.fixNodes(ctx, nodes, f)
	}
	fn, err := a.load(ctx, nodes)
	if err != nil {
		return err
	}
	answers := a.ask(ctx, fn, protocol.Request{Op: protocol.OpDoctor, Since: f.pulls.since, Mend: &protocol.Mend{Ignore: f.ignore}}, 0)
	return a.diagnose(f.pulls.with(report.NewDoctor(report.NewDoctorAnswers(answers, f.ignore)), f.ignore))
}

func (f *doctorFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.release, "containerd-version", "", "release of the containerd that reads the files, such as 1.7.35")
	fl.StringVar(&f.root, "root", "", "a node's root directory, such as a mounted disk")
	fl.StringSliceVar(&f.ignore, "ignore", nil, "rules to leave out: CFG026,AUT001")
	f.fixFlags.register(c)
	fl.StringVar(&f.explain, "explain", "", "show the page of a rule")
	fl.StringVar(&f.message, "error", "", "an error message: which rules is it of?")
	fl.StringVar(&f.messageFile, "error-file", "", "a file of messages, such as containerd's log; - for standard input")
	f.pulls.register(c)
	_ = c.MarkFlagDirname("root")
	_ = c.MarkFlagFilename("error-file")
	c.MarkFlagsMutuallyExclusive("explain", "error", "error-file", "root")
	for _, name := range []string{"explain", "ignore"} {
		_ = c.RegisterFlagCompletionFunc(name, completeRules)
	}
	_ = c.RegisterFlagCompletionFunc("containerd-version", cobra.FixedCompletions(doctor.Lines(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("error", cobra.NoFileCompletions)
}

func completeRules(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, r := range doctor.Catalogue() {
		all = append(all, r.ID+"\t"+r.Title)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// known checks the rules that are left out.
func (f *doctorFlags) known() error {
	for _, id := range f.ignore {
		if _, err := doctor.Find(id); err != nil {
			return usage(fmt.Errorf("--ignore: %w", err), "docs/rules lists them")
		}
	}
	return nil
}

// trees finds what the arguments name.
func (a *app) trees(f doctorFlags, args []string) ([]doctor.Tree, error) {
	if err := f.known(); err != nil {
		return nil, err
	}
	var all []doctor.Tree
	if f.root != "" {
		t, err := doctor.OpenRoot(f.root)
		if err != nil {
			return nil, usage(err, hintOf(err))
		}
		all = append(all, t)
	}
	for _, name := range args {
		found, passed, err := doctor.Open(name)
		if err != nil {
			return nil, usage(err, hintOf(err))
		}
		for _, dir := range passed {
			a.warn(dir+" holds no containerd configuration and is passed over", "")
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, usage(errors.New("nothing to look at was named"), "name a FILE or a DIR, -i INVENTORY, or --error TEXT")
	}
	if err := doctor.Set(all, f.release); err != nil {
		return nil, usage(err, "write it like 1.7.35")
	}
	return all, nil
}

// diagnose shows the result and ends with its exit code.
func (a *app) diagnose(d report.Doctor) error {
	if err := a.showDoctor(d); err != nil {
		return err
	}
	switch {
	case d.Summary.Problems+d.Summary.NotHealthy > 0:
		return verdict(ExitPending)
	case d.Summary.Failed+d.Summary.Unread > 0, d.Events != nil && d.Events.Unread != "":
		return verdict(ExitFailed)
	}
	return nil
}

func (a *app) showDoctor(d report.Doctor) error {
	if a.output == "sarif" {
		return report.SARIF(a.streams.Out, d, version)
	}
	return a.show(d)
}

func (a *app) explainRule(id string) error {
	r, err := doctor.Find(id)
	if err != nil {
		return usage(err, "the names are like CFG015; docs/rules lists them")
	}
	return a.show(report.NewRules([]doctor.Rule{r}))
}

func (a *app) explainMessage(f doctorFlags) error {
	text := f.message
	if f.messageFile != "" {
		var err error
		if text, err = a.readMessage(f.messageFile); err != nil {
			return err
		}
	}
	found := doctor.Explain(text)
	found = slices.DeleteFunc(found, func(m doctor.Match) bool { return slices.Contains(f.ignore, m.Rule.ID) })
	return a.show(report.NewMatches(found))
}
