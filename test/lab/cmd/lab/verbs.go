package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/registry"
)

const usage = `usage: lab VERB [flags] [arguments]

  up [--nodes N | --spec 1.6.20,1.7.35,2.4.2] [--user NAME]   make the lab; it stays until down
     [--kubernetes] [--kubelets node1,node2] [--controllers]   with etcd and kube-apiserver, with kubelets
                        on those nodes, with kube-controller-manager and kube-scheduler
  build [the flags of up]   make and keep what such a lab is made of, and no lab
  down                  end it, whatever is left of it
  status                its nodes and registries
  exec -- CMD...        run a command of this machine in the lab's network
  ssh NODE [CMD...]     log in over SSH, as the inventory does
  node NODE CMD...      run a command in the node, past its network
  pull NODE IMAGE       pull through the node's CRI
  log REGISTRY          the access log; registry names are listed by status
  stop|start REGISTRY   take a registry away and bring it back
  cut|restore NODE      take a node off the network and bring it back
  requirements [--install]   apt packages that this machine lacks

flags of every verb:
  --dir DIR             the lab's folder   [$PULLWAY_LAB_DIR, or pullway-lab in the temporary folder]
`

// errUsage is a wrong command line; what was wrong is its text.
var errUsage = errors.New("wrong usage")

// program is the lab command with its surroundings.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run gives the exit code: 0 done, 1 failed, 2 wrong usage; exec, ssh and node
// give that of the command.
func (p program) run(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(p.stdout, usage)
		return 0
	}
	err := p.verb(ctx, args[0], args[1:])
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	}
	fmt.Fprintln(p.stderr, "lab:", err)
	if errors.Is(err, errUsage) {
		fmt.Fprint(p.stderr, usage)
		return 2
	}
	return 1
}

func (p program) verb(ctx context.Context, verb string, args []string) error {
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	flags := flag.NewFlagSet("lab "+verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("dir", "", "")
	var want request
	var install bool
	switch verb {
	case "helper":
		return helper(ctx, p.stdin, args)
	case "up", "build":
		flags.IntVar(&want.nodes, "nodes", 0, "")
		flags.StringVar(&want.spec, "spec", "", "")
		flags.StringVar(&want.user, "user", "", "")
		flags.BoolVar(&want.kubernetes, "kubernetes", false, "")
		flags.StringVar(&want.kubelets, "kubelets", "", "")
		flags.BoolVar(&want.controllers, "controllers", false, "")
	case "requirements":
		flags.BoolVar(&install, "install", false, "")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(p.stdout, usage)
			return err
		}
		return fmt.Errorf("%w: %v", errUsage, err)
	}
	args = flags.Args()
	switch verb {
	case "up", "build":
		cfg, err := want.config(lab.Config{Dir: *dir, Keep: true})
		if err != nil {
			return err
		}
		if verb == "build" {
			return lab.Build(ctx, cfg, log)
		}
		l, err := lab.Up(ctx, cfg, log)
		if err != nil {
			return err
		}
		return status(ctx, p, l, nil)
	case "down":
		if err := lab.Down(ctx, *dir); err != nil && !errors.Is(err, lab.ErrNoLab) {
			return err
		}
		return nil
	case "requirements":
		if install {
			return lab.InstallRequirements(ctx)
		}
		for _, pkg := range lab.Requirements() {
			fmt.Fprintln(p.stdout, pkg)
		}
		return nil
	}
	ask, ok := questions[verb]
	if !ok {
		return fmt.Errorf("%w: no verb %q", errUsage, verb)
	}
	if len(args) < ask.args {
		return fmt.Errorf("%w: %s wants more arguments", errUsage, verb)
	}
	l, err := lab.Attach(*dir, log)
	if err != nil {
		return err
	}
	return ask.do(ctx, p, l, args)
}

// request is what the flags of up and build ask for.
type request struct {
	nodes                   int
	spec, user, kubelets    string
	kubernetes, controllers bool
}

// config is cfg with what the flags ask for.
func (want request) config(cfg lab.Config) (_ lab.Config, err error) {
	switch {
	case want.nodes != 0 && want.spec != "":
		return cfg, fmt.Errorf("%w: --nodes or --spec, not both", errUsage)
	case want.nodes < 0:
		return cfg, fmt.Errorf("%w: --nodes %d", errUsage, want.nodes)
	case want.spec != "":
		if cfg.Nodes, err = lab.ParseReleases(want.spec); err != nil {
			return cfg, fmt.Errorf("%w: --spec: %v", errUsage, err)
		}
	case want.nodes > 0:
		cfg.Nodes = lab.Cycle(want.nodes)
	default:
		cfg.Nodes = lab.Cycle(len(lab.Releases()))
	}
	for i := range cfg.Nodes {
		cfg.Nodes[i].User = want.user
	}
	if want.kubernetes || want.kubelets != "" || want.controllers {
		cfg.Kubernetes = &lab.KubeSpec{Controllers: want.controllers, Scheduler: want.controllers}
	}
	if want.kubelets != "" {
		cfg.Kubernetes.Kubelets = strings.Split(want.kubelets, ",")
	}
	return cfg, nil
}

// helper is what the lab starts for itself.
func helper(ctx context.Context, stdin io.Reader, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "registry":
		return registry.Serve(ctx, registry.Folder(args[1]), args[2])
	case len(args) == 3 && args[0] == "reap":
		return lab.Reap(ctx, stdin, args[1], args[2])
	}
	return fmt.Errorf("%w: the helper verbs are for the lab itself", errUsage)
}

// replaceSelf becomes another command.
func replaceSelf(argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if err := syscall.Exec(path, argv, os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", strconv.Quote(path), err)
	}
	return nil
}
