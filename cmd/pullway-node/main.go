// Command pullway-node is the node engine: it answers one request of pullway on
// its standard input about the node it runs on. It is uploaded and started by
// pullway over SSH, or run by it on the same machine.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/pullway/pullway/internal/node"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, in io.Reader, out, errs io.Writer) int {
	if len(args) != 1 || (args[0] != "serve" && args[0] != "recover") {
		_, _ = fmt.Fprintln(errs, "usage: pullway-node serve < request\n       pullway-node recover\nserve is started by pullway; recover finishes or undoes what an interrupted run left on this node.")
		return 2
	}
	// A lost connection must not kill the engine half way: it undoes first.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if args[0] == "recover" {
		err = node.Recover(ctx, node.StateDir, out)
	} else {
		err = node.Serve(ctx, node.StateDir, in, out)
	}
	if err != nil {
		_, _ = fmt.Fprintln(errs, "pullway-node:", err)
		return 1
	}
	return 0
}
