package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/pullway/pullway/test/bench/crowd"
	"github.com/pullway/pullway/test/lab"
)

// What this program does when it is started by itself: to be measured, or to keep its memory small.
const (
	// childFill fills a lab: its folder, the nodes that are in it, and how many there are to be.
	childFill = "fill-crowd"
	// childList lists the pods of a cluster and keeps none: the kubeconfig.
	childList = "list-pods"
)

// child does what such arguments say; done tells whether they were any.
func child(ctx context.Context, args []string) (done bool, err error) {
	switch {
	case len(args) == 4 && args[0] == childFill:
		return true, fill(ctx, args[1], args[2], args[3])
	case len(args) == 2 && args[0] == childList:
		pods, err := crowd.ListPods(ctx, args[1])
		fmt.Println(pods, "pods")
		return true, err
	}
	return false, nil
}

func fill(ctx context.Context, dir, from, to string) error {
	have, err := strconv.Atoi(from)
	want, err2 := strconv.Atoi(to)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	l, err := lab.Attach(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	f, err := crowd.New(ctx, l, have)
	if err != nil {
		return err
	}
	return f.GrowTo(ctx, want)
}
