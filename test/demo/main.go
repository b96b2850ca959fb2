// The demo program tells what Pullway does on three real nodes and a real registry
// with a password, with the real commands and what they really print. Every step is
// checked against the nodes themselves: the program ends with 0 only when each one
// showed what it promised. Everything is taken down at the end, whatever happened.
//
// Start it by `make demo`, which builds what it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/pullway/pullway/test/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run gives the exit code: 0 when every step showed what it promised, 1 when one
// did not or the demo was interrupted, 2 for wrong usage.
func run(ctx context.Context, args []string, stdout *os.File, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	bin := flags.String("bin", "bin", "folder with the pullway and lab programs")
	transcript := flags.String("transcript", "", "also write what is told to this file, without colours")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() != 0 {
		fmt.Fprintf(stderr, "demo: takes no arguments, got %q\n", flags.Arg(0))
		return 2
	}
	out := &teller{out: stdout, colour: term.IsTerminal(int(stdout.Fd())) && os.Getenv("NO_COLOR") == ""}
	if *transcript != "" {
		f, err := os.Create(*transcript)
		if err != nil {
			fmt.Fprintln(stderr, "demo:", err)
			return 1
		}
		defer f.Close() //nolint:errcheck // checked by finish
		out.transcript = f
	}
	err := demo(ctx, *bin, out, stderr)
	if err = errors.Join(err, out.finish()); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; everything was taken down")
		}
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}

// demo makes the lab, tells the story and takes the lab down.
func demo(ctx context.Context, bin string, out *teller, stderr io.Writer) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("this needs root: it mounts, boots nodes and makes a network namespace")
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	for _, program := range []string{"pullway", "lab"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			return fmt.Errorf("%s is not built; start the demo by make demo: %w", program, err)
		}
	}
	work, err := os.MkdirTemp("", "pullway-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	began := time.Now()
	out.say("Booting three nodes (containerd 1.6.20, 1.7.35, 2.4.2) and registries with passwords.")
	nodes, err := lab.ParseReleases("1.6.20,1.7.35,2.4.2")
	if err != nil {
		return err
	}
	l, err := lab.Up(ctx, lab.Config{Dir: filepath.Join(work, "lab"), Nodes: nodes}, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return err
	}
	defer func() {
		out.say("Taking everything down.")
		err = errors.Join(err, l.Down())
	}()
	up := time.Since(began)

	s := &story{teller: out, lab: l, work: work, bin: bin}
	if err := s.tell(ctx); err != nil {
		return err
	}
	out.say("Every step showed what it promised. The lab took %.1f s to boot, the story %.1f s.",
		up.Seconds(), (time.Since(began) - up).Seconds())
	return nil
}
