// Command pullway-node is the node engine: it answers one request of pullway on
// its standard input about the node it runs on. It is uploaded and started by
// pullway over SSH, or run by it on the same machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/pullway/pullway/internal/node"
	"github.com/pullway/pullway/internal/secret"
)

const usage = `usage: pullway-node serve < request
       pullway-node recover [--if-silent DURATION]
serve is started by pullway. recover finishes or undoes what an interrupted run
left on this node; with --if-silent only when no engine gave a sign of life for
that long, which is how systemd calls it while a node is being changed.
`

// The engine lives for a second beside workloads: one thread that computes, and
// memory rather than collections.
func main() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(400)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, errs io.Writer) int {
	var silence time.Duration
	fl := flag.NewFlagSet("pullway-node", flag.ContinueOnError)
	fl.SetOutput(io.Discard)
	fl.DurationVar(&silence, "if-silent", 0, "")
	bad := len(args) == 0 || args[0] != "serve" && args[0] != "recover"
	if bad || fl.Parse(args[1:]) != nil || fl.NArg() > 0 || args[0] == "serve" && len(args) > 1 {
		_, _ = fmt.Fprint(errs, usage)
		return 2
	}
	_ = secret.NoCoreDumps() // a system that has no such limit has no dumps either
	// A lost connection must not kill the engine half way: it undoes first.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case args[0] == "serve":
		err = node.Serve(ctx, node.StateDir, in, out)
	case silence > 0:
		err = node.RecoverIfSilent(ctx, node.StateDir, silence, out)
	default:
		err = node.Recover(ctx, node.StateDir, out)
	}
	if err != nil {
		_, _ = fmt.Fprintln(errs, "pullway-node:", err)
		return 1
	}
	return 0
}
