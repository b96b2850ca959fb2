//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// running is a command that is under way: what it tells can be waited for, and it
// can be struck by signals.
type running struct {
	t    *testing.T
	cmd  *exec.Cmd
	args []string
	out  *bytes.Buffer
	errs io.Closer
	// told are the lines of standard error; closed at their end.
	told  chan string
	seen  []string
	begun time.Time
}

// start starts a command that touches nodes. in is its standard input; nil for none.
func (o *operator) start(in *os.File, command string, args ...string) *running {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Minute)
	o.t.Cleanup(cancel)
	args = append(append([]string{command}, o.nodes...), args...)
	r := &running{t: o.t, cmd: o.prepare(ctx, args...), args: args, out: &bytes.Buffer{}, told: make(chan string, 1<<16), begun: time.Now()}
	if in != nil {
		r.cmd.Stdin = in
	}
	r.cmd.Stdout = r.out
	errs, err := r.cmd.StderrPipe()
	if err != nil {
		o.t.Fatal(err)
	}
	r.errs = errs
	if err := r.cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	go func() {
		defer close(r.told)
		lines := bufio.NewScanner(errs)
		lines.Split(linesAndQuestions)
		for lines.Scan() {
			r.told <- lines.Text()
		}
	}()
	return r
}

// linesAndQuestions splits into lines, and takes a question, which has no end of
// line, for one.
func linesAndQuestions(data []byte, atEOF bool) (int, []byte, error) {
	if !bytes.Contains(data, []byte("\n")) && bytes.HasSuffix(data, []byte("[y/N] ")) {
		return len(data), data, nil
	}
	return bufio.ScanLines(data, atEOF)
}

// until waits for a line of standard error that ok takes. It fails when there is none.
func (r *running) until(what string, ok func(line string) bool) {
	r.t.Helper()
	for line := range r.told {
		r.seen = append(r.seen, line)
		if ok(line) {
			return
		}
	}
	_ = r.cmd.Wait()
	r.t.Fatalf("pullway %s: ended without %s:\n%s%s", strings.Join(r.args, " "), what, strings.Join(r.seen, "\n"), r.out)
}

// says waits for a line that holds all of the words.
func (r *running) says(words ...string) {
	r.t.Helper()
	r.until(strings.Join(words, " … "), func(line string) bool {
		for _, w := range words {
			if !strings.Contains(line, w) {
				return false
			}
		}
		return true
	})
}

// signal sends a signal; a command that has ended in the meantime is no error.
func (r *running) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil && err != os.ErrProcessDone {
		r.t.Fatal(err)
	}
}

// end waits for the command's end.
func (r *running) end() result {
	r.t.Helper()
	for line := range r.told {
		r.seen = append(r.seen, line)
	}
	_ = r.cmd.Wait()
	return result{r.args, r.cmd.ProcessState.ExitCode(), r.out.String(), strings.Join(r.seen, "\n"), time.Since(r.begun)}
}

// kill ends the command as the death of the operator's machine does.
func (r *running) kill() {
	r.t.Helper()
	r.signal(os.Kill)
	_ = r.end()
}

// mentions fails unless one line of the command's words holds all the parts.
func mentions(t *testing.T, r result, parts ...string) {
	t.Helper()
	for line := range strings.Lines(r.err + "\n" + r.out) {
		found := true
		for _, p := range parts {
			found = found && strings.Contains(line, p)
		}
		if found {
			return
		}
	}
	t.Errorf("no line mentions %q: %s", parts, r)
}
