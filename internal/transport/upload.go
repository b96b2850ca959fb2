package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/engine"
)

// storePatience is how long a node may take to check a stored engine and to sync
// its disk.
const storePatience = 3 * time.Minute

// uploadsAtOnce bounds how many nodes an engine is sent to at a time: more fill
// memory and are no faster together.
const uploadsAtOnce = 16

// upload stores e on the node, when its turn has come. When it fails, nothing of it
// stays there.
func (c *conn) upload(ctx context.Context, e engine.Engine) error {
	if c.uploads != nil {
		select {
		case c.uploads <- struct{}{}:
			defer func() { <-c.uploads }()
		case <-ctx.Done():
			return fault(KindClosed, "", context.Cause(ctx), "stopped: %v", context.Cause(ctx))
		}
	}
	began := time.Now()
	mark := "pullway-" + rand.Text()
	p, err := c.launch(ctx, mark, uploadArgv(c.layout, mark, e))
	if err != nil {
		return err
	}
	defer p.Kill()
	// Nothing is sent before the script says that it has a place to put it.
	if r, err := c.await(ctx, p, c.patience); err != nil || r.word != "go" {
		return reportError(r, err, p, c.layout.dir)
	}
	p.feed(nil)
	sent := make(chan error, 1)
	go func() { sent <- send(p.Stdin(), e) }()

	// A full disk is told while we still send. Time is unbounded as long as bytes
	// move: keepalives notice a dead link, and the context ends it all.
	var sendErr error
	select {
	case sendErr = <-sent:
	case <-p.done:
	}
	if sendErr != nil && !errors.Is(sendErr, io.ErrClosedPipe) {
		return fault(KindEngine, "", sendErr, "the engine cannot be unpacked: %v", sendErr)
	}
	if r, err := c.await(ctx, p, storePatience); err != nil || r.word != "stored" {
		return reportError(r, err, p, c.layout.dir)
	}
	c.note(func(f *Facts) { f.Uploaded, f.UploadTime = true, f.UploadTime+time.Since(began) })
	return nil
}

// send copies the engine. A damaged one leaves standard input open, so that the
// script never takes it for the whole.
func send(w io.WriteCloser, e engine.Engine) error {
	rc, err := e.Open()
	if err != nil {
		return err
	}
	defer func() { _ = rc.Close() }()
	if _, err := io.Copy(w, rc); err != nil {
		return err
	}
	return w.Close()
}

// reportError is err, or the failure that r reports.
func reportError(r report, err error, p *process, dir string) error {
	if err != nil {
		return err
	}
	return scriptError(r, p.lastWords(), dir)
}

// scriptError turns a script's report of failure into an Error. What the failed
// command said is in stderr.
func scriptError(r report, stderr, dir string) *Error {
	what, detail, _ := strings.Cut(r.rest, " ")
	if r.word != "fail" {
		return fault(KindEngine, "", nil, "the node answered %q instead of starting the engine", r.word)
	}
	switch what {
	case "arch":
		return fault(KindEngine, "engines exist for x86_64 and aarch64", nil, "the node's architecture is %q", detail)
	case "root":
		return fault(KindSudo, notAllowedHint, nil, "sudo made us user %s instead of root", detail)
	case "unsafe":
		dir, why, _ := strings.Cut(detail, " ")
		return fault(KindEngine, "directories above the engine must be real directories, owned by root and writable by nobody else: correct its owner and mode", nil,
			"%s on the node is not safe to run a program from: %s", dir, unsafeReason(why))
	case "noexec":
		return fault(KindEngine, "mount it with exec, or put a mount that allows it on "+dir, nil, "%s on the node is mounted noexec", dir)
	case "size":
		return fault(KindEngine, "try again", nil, "the engine arrived incomplete: %s bytes", detail)
	case "hash":
		return fault(KindEngine, "try again; if it stays, check the node's disk and memory", nil, "the engine arrived damaged: hash %s", detail)
	case "nohash":
		return fault(KindEngine, "install coreutils on the node", nil, "the node has neither sha256sum nor openssl to check the engine with")
	case "store":
		return storeError(stderr, dir)
	}
	return fault(KindEngine, "", nil, "the node reports %q", r.rest)
}

func unsafeReason(why string) string {
	switch why {
	case "writable":
		return "its group or everybody may write to it"
	case "owner":
		return "root does not own it"
	}
	return "it is not a directory"
}

// storeError names the common reasons why a file cannot be written.
func storeError(stderr, dir string) *Error {
	for _, k := range []struct{ says, text, hint string }{
		{"No space left", "has no space left", "make room on its file system (about 20 MB)"},
		{"quota exceeded", "has no space left (quota)", "make room on its file system (about 20 MB)"},
		{"Read-only file system", "is on a read-only file system", "an error may have made it read-only: look at dmesg on the node"},
		{"Permission denied", "cannot be written, not even by root", "look for a security module (SELinux, AppArmor) or a network file system"},
		{"Operation not permitted", "cannot be written, not even by root", "look for the immutable attribute (lsattr)"},
	} {
		if strings.Contains(stderr, k.says) {
			return fault(KindEngine, k.hint, nil, "%s on the node %s", dir, k.text)
		}
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return fault(KindEngine, "", nil, "the engine cannot be stored in %s: %s", dir, lines[len(lines)-1])
}
