// Command pullway wires containerd nodes to private registries; see internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pullway/pullway/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	interrupts := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt)
	code := make(chan int, 1)
	go func() {
		code <- cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, interrupts)
	}()
	for {
		select {
		case c := <-code:
			stop()
			os.Exit(c)
		case <-signals:
			select {
			case interrupts <- struct{}{}:
			case <-time.After(200 * time.Millisecond):
				// No command that changes nodes is listening: an ordinary end.
				os.Exit(130)
			}
		}
	}
}
