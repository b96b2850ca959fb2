// Command pack builds the node engine for every architecture and packs it where
// the CLI embeds it. It is run by "make build", from the root of the module:
//
//	go run ./internal/engine/pack
//
// The same sources and the same Go release give the same bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/pullway/pullway/internal/engine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	fl := flag.NewFlagSet("pack", flag.ContinueOnError)
	out := fl.String("out", filepath.FromSlash("internal/engine/assets"), "directory to write to")
	pkg := fl.String("package", "./cmd/pullway-node", "the engine's main package")
	arches := fl.String("arch", "amd64,arm64", "architectures, separated by commas")
	ldflags := fl.String("ldflags", "-s -w", "flags for the linker")
	if err := fl.Parse(args); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "pullway-pack-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()

	var ix engine.Index
	for _, arch := range strings.Split(*arches, ",") {
		bin := filepath.Join(tmp, arch)
		if err := build(ctx, *pkg, arch, *ldflags, bin); err != nil {
			return err
		}
		entry, err := packFile(bin, *out, arch)
		if err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		ix.Engines = append(ix.Engines, entry)
	}
	return writeIndex(*out, ix)
}
