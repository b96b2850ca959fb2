package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/internal/trace"
)

// tracedWithin bounds what one node is asked; its engine takes two minutes at most, and
// two more for a pull.
const (
	tracedWithin = 150 * time.Second
	pulledWithin = tracedWithin + 130*time.Second
)

// offlineFlags name files in place of a node.
type offlineFlags struct{ root, config, release string }

func (a *app) traceCommand() *cobra.Command {
	var nodes nodeFlags
	var offline offlineFlags
	var pull bool
	c := &cobra.Command{
		Use:   "trace IMAGE",
		Short: "Show where a pull of an image goes on a node: each host, what it says, and what serves it",
		Long: `Show where a pull of an image goes, host by host, as traceroute does for packets:
which file decides, the hosts that containerd tries in their order, how it asks each,
and what each says when the node asks it: name, connection, certificate, token,
manifest and the first byte of the first layer, with times. Then one sentence: what
serves the image, or why nothing does, and what to do. Nothing is changed and nothing
is pulled.

With --pull the node's CRI pulls the image, too, and the pull is compared with what the
trace says. What it pulled is dropped again; an image that the node has is not pulled.

The node's own containerd counts: its release, its merged configuration, its host
directories as they are now. Credentials of the node are used and never shown. Pull
secrets of pods are not used: a host that wants one says 401 here. Nodes that say the
same are shown together.

With --root nothing is asked: the order is told from a copy of a node's files.

Exit code 0 when every node would be served, 3 when one would not, 1 when a node
could not be asked. With --pull, 3 also when the pull shows otherwise. With --root, 3
when the pull fails before any host is asked.`,
		Example: `  pullway trace 192.168.21.9/library/test-image:latest -i inventory/mycluster/hosts.yaml
  pullway trace nginx:1.27 --nodes root@node1
  pullway trace harbor.example.com/team/app:v1 --local -o json
  pullway trace harbor.example.com/team/app:v1 -i hosts.yaml --limit node1 --pull
  pullway trace nginx --root ./copy-of-node1 --containerd-version 1.7.35`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := config.ParseImage(args[0])
			if err != nil {
				return usage(err, "")
			}
			if offline.root != "" {
				if pull {
					return usage(errors.New("--pull needs a node, and --root has files only"), "leave one of them out")
				}
				return a.traceFiles(offline, nodes, image)
			}
			if offline.release != "" || cmd.Flags().Changed("config") {
				return usage(errors.New("--containerd-version and --config need --root"), "a node tells its own")
			}
			fn, err := a.load(cmd.Context(), nodes)
			if err != nil {
				return err
			}
			req, within := protocol.Request{Op: protocol.OpTrace, Image: image.String()}, tracedWithin
			if pull {
				req.Pull, req.Run, within = true, "trace", pulledWithin
			}
			t := report.NewTrace(image.String(), a.ask(cmd.Context(), fn, req, within))
			if err := a.show(t); err != nil {
				return err
			}
			switch {
			case t.Summary.Failed > 0:
				return verdict(ExitFailed)
			case t.Summary.NotServed > 0, t.Summary.Disagree > 0:
				return verdict(ExitPending)
			}
			return nil
		},
	}
	nodes.register(c)
	f := c.Flags()
	f.BoolVar(&pull, "pull", false, "pull the image through CRI as well, compare, and drop it again")
	f.StringVar(&offline.root, "root", "", "read the files of a node from this directory, and ask nothing")
	f.StringVar(&offline.release, "containerd-version", "", "containerd's release on the node whose files --root holds, such as 1.7.35")
	f.StringVar(&offline.config, "config", containerd.DefaultConfigFile, "containerd's configuration file below --root")
	_ = c.MarkFlagDirname("root")
	_ = c.RegisterFlagCompletionFunc("containerd-version", cobra.FixedCompletions(doctor.Lines(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// traceFiles tells the order from files.
func (a *app) traceFiles(offline offlineFlags, nodes nodeFlags, image config.Image) error {
	if nodes.named() {
		return usage(errors.New("--root is in place of nodes"), "leave -i, --nodes and --local out")
	}
	if offline.release == "" {
		return usage(errors.New("--root needs --containerd-version"), "containerd --version on the node tells it")
	}
	rel, err := containerd.ParseRelease(offline.release)
	if err != nil {
		return usage(fmt.Errorf("--containerd-version: %w", err), "write it as 1.7.35")
	}
	node, err := doctor.OpenRoot(offline.root)
	if err != nil {
		return usage(fmt.Errorf("--root: %w", err), hintOf(err))
	}
	files := node.Node.Files.(doctor.Folder).FS()
	if offline.config == containerd.DefaultConfigFile && node.Node.ConfigFile != "" {
		offline.config = node.Node.ConfigFile
	}
	tree, err := trace.Load(files, offline.config, rel)
	if err != nil {
		return fmt.Errorf("%s: %w", offline.root, err)
	}
	if len(tree.Files) == 0 {
		a.warn(fmt.Sprintf("%s has no %s; containerd's own defaults count", offline.root, offline.config), "give its path below --root by --config")
	}
	t, _ := trace.Order(files, tree, image)
	if err := a.show(report.NewTraceOfFiles(offline.root, t)); err != nil {
		return err
	}
	if t.Broken != nil {
		return verdict(ExitPending)
	}
	return nil
}
