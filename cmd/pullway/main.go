// Command pullway wires containerd nodes to private registries; see internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pullway/pullway/internal/cli"
	"github.com/pullway/pullway/internal/secret"
)

func main() {
	_ = secret.NoCoreDumps() // a system that has no such limit has no dumps either
	interrupts := make(chan os.Signal)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A closed terminal asks to stop as Ctrl-C does, unless nohup said to ignore it.
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	// A reader of our output that goes away must not end a run that changes nodes.
	signal.Ignore(syscall.SIGPIPE)
	code := make(chan int, 1)
	go func() {
		code <- cli.Run(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, interrupts)
	}()
	for {
		select {
		case c := <-code:
			os.Exit(c)
		case sig := <-signals:
			select {
			case interrupts <- sig:
			case c := <-code:
				os.Exit(c)
			case <-time.After(200 * time.Millisecond):
				// No command that changes nodes is listening: an ordinary end.
				os.Exit(exitOf(sig))
			}
		}
	}
}

// exitOf is what a shell reports of a program that a signal ended.
func exitOf(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 130
}
