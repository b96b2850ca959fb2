// Command tracer traces an image by the files of the root that it runs in, as the node
// engine does on a node: tracer RELEASE IMAGE PID-OF-CONTAINERD.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/node"
	"github.com/pullway/pullway/internal/trace"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "tracer:", err)
		os.Exit(1)
	}
}

func run(release, ref, daemon string) error {
	pid, err := strconv.Atoi(daemon)
	if err != nil {
		return err
	}
	rel, err := containerd.ParseRelease(release)
	if err != nil {
		return err
	}
	image, err := config.ParseImage(ref)
	if err != nil {
		return err
	}
	files := os.DirFS("/")
	tree, err := trace.Load(files, "/etc/containerd/config.toml", rel)
	if err != nil {
		return err
	}
	t, ways := trace.Order(files, tree, image)
	opt := node.ContainerdOptions()
	if opt.ProxyOf, err = node.ProxyOfProcess(pid); err != nil {
		return err
	}
	node.AskHosts(context.Background(), t, ways, image, opt, func(string) {})
	return json.NewEncoder(os.Stdout).Encode(t)
}
