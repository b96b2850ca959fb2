package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// checkTime bounds `containerd config dump`, which takes some 30 ms.
const checkTime = 10 * time.Second

// Report is what containerd's own binary says of a candidate configuration.
type Report struct {
	// Exe is the binary that said so.
	Exe string
	// Exit is its status; 0 means that the configuration can be read and merged,
	// not that CRI accepts it.
	Exit int
	// Error is one line, empty when Exit is 0. File, Row and Column say where, as
	// far as the release tells: 0 and "" when it does not.
	Error       string
	File        string
	Row, Column int
	// Warnings are one line each, in the order in which they came, each once.
	Warnings []string
	Took     time.Duration
}

// OK reports whether the binary accepts the candidate.
func (r Report) OK() bool { return r.Exit == 0 && r.Error == "" }

// Check runs `config dump` of the daemon's own binary on the file candidate, an
// absolute path. What it prints on standard output holds secrets in clear and is
// discarded. When the binary on disk was replaced since the daemon started, that
// one must accept the candidate too, for it is what a restart starts.
//
// An error means that the question could not be asked. containerd 2.x takes a
// missing file, and a missing import, for an empty one: a missing candidate is
// an error here, the imports are the caller's to check.
func (d *Daemon) Check(ctx context.Context, candidate string) (Report, error) {
	if !filepath.IsAbs(candidate) {
		return Report{}, fmt.Errorf("check configuration: %q is not an absolute path", candidate)
	}
	if info, err := os.Stat(candidate); err != nil {
		return Report{}, fmt.Errorf("check configuration: %w", err)
	} else if !info.Mode().IsRegular() {
		return Report{}, fmt.Errorf("check configuration: %q is not a file", candidate)
	}
	binaries := []string{d.binary()}
	if d.Replaced && binaries[0] != d.Exe {
		binaries = append(binaries, d.Exe)
	}
	var report Report
	for _, b := range binaries {
		r, err := d.dump(ctx, b, candidate)
		if err != nil {
			return Report{}, err
		}
		r.Took += report.Took
		if report = r; !report.OK() {
			break
		}
	}
	return report, nil
}

func (d *Daemon) dump(ctx context.Context, binary, candidate string) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	start := time.Now()
	out, err := d.opt.withDefaults().Run(ctx, Command{
		Path:          binary,
		Argv:          d.argv("-c", candidate, "config", "dump"),
		DiscardStdout: true,
	})
	took := time.Since(start)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Report{}, fmt.Errorf("check configuration: %s config dump did not end within %s", binary, checkTime)
	case err != nil:
		return Report{}, fmt.Errorf("check configuration: %s", oneLine(err.Error()))
	}
	r := parseStderr(string(out.Stderr))
	r.Exe, r.Exit, r.Took = binary, out.Exit, took
	switch {
	case out.Exit == 0 && out.StdoutSize == 0:
		r.Error = "containerd printed no configuration"
	case out.Exit == 0:
		r.Error, r.File, r.Row, r.Column = "", "", 0, 0
	case r.Error == "":
		r.Error = fmt.Sprintf("containerd config dump ended with exit status %d and no reason", out.Exit)
	}
	return r, nil
}
