package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// command is a command that runs, however it was started.
type command interface {
	// Write and CloseWrite are its standard input, Read its standard output.
	io.Reader
	io.Writer
	CloseWrite() error
	// Errors is its standard error.
	Errors() io.Reader
	// Wait returns how it ended, once both outputs have ended. Its error says that
	// the end could not be learned.
	Wait() (exit, error)
	// Cut is closed when the connection to it is gone and its end will never be
	// known; nil where that cannot happen.
	Cut() <-chan struct{}
	// Close lets go of it. It unblocks everything above, at the latest when the
	// connection closes.
	Close() error
}

// exit is how a command ended.
type exit struct {
	code   int
	signal string
}

func (e exit) String() string {
	if e.signal != "" {
		return "was killed by signal " + e.signal
	}
	return fmt.Sprintf("ended with status %d", e.code)
}

// process pumps a command's streams through pipes, so that letting go of it
// works at once, whatever the network does.
type process struct {
	node string
	cmd  command

	stdin  *io.PipeWriter
	inPipe *io.PipeReader
	stdout *io.PipeReader
	out    *preambleWriter
	errs   *promptFilter

	done chan struct{} // closed when the process is over or let go of
	gone chan struct{} // closed when the command itself is over
	once sync.Once
	err  error // valid once done is closed
	exit exit  // valid once gone is closed, when waitErr is nil
	// waitErr is why exit is not known.
	waitErr error
	// sudo and asked belong to whoever awaits the script's reports: sudo was
	// reached, its prompt was answered.
	sudo, asked bool
	// quiet is true when the engine said nothing at all.
	quiet bool
}

// newProcess starts to pump. Standard input is held back until feed is called.
// The prompt, when not empty, is looked for on standard error.
func newProcess(ctx context.Context, node string, cmd command, mark, prompt string) *process {
	p := &process{node: node, cmd: cmd, done: make(chan struct{}), gone: make(chan struct{})}
	p.inPipe, p.stdin = io.Pipe()
	outRead, outWrite := io.Pipe()
	p.stdout = outRead
	p.out = newPreambleWriter(mark, outWrite)
	p.errs = newPromptFilter(prompt)

	var pumps sync.WaitGroup
	pumps.Go(func() {
		_, err := io.Copy(p.out, cmd)
		p.out.endOfPreamble()
		if errors.Is(err, errNoise) {
			p.finish(at(node, fault(KindEngine, "make the shell start-up files of the login user quiet", errNoise, "%v", errNoise)))
			_ = cmd.Close()
		}
	})
	pumps.Go(func() { _, _ = io.Copy(p.errs, cmd.Errors()) })
	go func() {
		pumps.Wait()
		p.exit, p.waitErr = cmd.Wait()
		p.quiet = p.out.quiet()
		close(p.gone)
		p.finish(p.verdict())
	}()
	go p.watch(ctx)
	return p
}

// drainTime is how long what came before a connection was cut stays readable. A
// caller that reads has it at once, one that does not must not wait for ever.
const drainTime = time.Second

// watch ends the process when its context or its connection does.
func (p *process) watch(ctx context.Context) {
	select {
	case <-ctx.Done():
		p.letGo(context.Cause(ctx))
		return
	case <-p.done:
		return
	case <-p.cmd.Cut():
	}
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.letGo(context.Cause(ctx))
	case <-timer.C:
		_, err := p.cmd.Wait()
		p.finish(at(p.node, err))
	}
}

// feed lets standard input through, with first before anything that is written
// to Stdin. It is called at most once.
func (p *process) feed(first []byte) {
	go func() {
		_, err := p.cmd.Write(first)
		if err == nil {
			_, err = io.Copy(p.cmd, p.inPipe)
		}
		if err == nil {
			_ = p.cmd.CloseWrite()
			return
		}
		// The command takes no more. Why, Wait will tell; a writer must not hang.
		_ = p.inPipe.CloseWithError(fault(KindClosed, "", io.ErrClosedPipe, "the engine takes no more input"))
	}()
}

// verdict judges the end of the command.
func (p *process) verdict() error {
	if p.waitErr != nil {
		return at(p.node, p.waitErr)
	}
	if p.exit == (exit{}) {
		return nil
	}
	var e *Error
	if p.quiet && (p.exit.code == 126 || p.exit.code == 127) {
		e = fault(KindEngine, "look for noexec mounts and for a security module that forbids it, or remove "+DefaultEngineDir+" to have it uploaded anew",
			nil, "the engine could not be executed: %s", p.errs.tail.lastLine())
	} else {
		e = fault(KindEngine, "", nil, "the engine %s: %s", p.exit, p.errs.tail.lastLine())
	}
	e.Exit = p.exit.code
	return at(p.node, e)
}

// finish ends the process once, with err as the result of Wait.
func (p *process) finish(err error) {
	p.once.Do(func() {
		p.err = err
		cut := new(Error)
		if errors.As(err, &cut) && cut.Kind == KindClosed {
			_ = p.out.pipe.CloseWithError(err)
		} else {
			_ = p.out.pipe.Close()
		}
		_ = p.inPipe.CloseWithError(fault(KindClosed, "", io.ErrClosedPipe, "the engine is gone"))
		close(p.done)
	})
}

// letGo is Kill with a cause, which may be nil.
func (p *process) letGo(cause error) {
	text := "the run was let go of"
	if cause != nil {
		text = "the run was stopped: " + cause.Error()
	}
	p.finish(at(p.node, fault(KindClosed, "", cause, "%s", text)))
	go func() { _ = p.cmd.Close() }() // may wait for a dead network
}

// Stdin implements Process.
func (p *process) Stdin() io.WriteCloser { return p.stdin }

// Stdout implements Process.
func (p *process) Stdout() io.Reader { return p.stdout }

// lastWordsPatience bounds the wait for a script that does not end.
const lastWordsPatience = 2 * time.Second

// lastWords is Stderr of a script that has reported its failure and is about to
// end. Its report and its error come by two streams, of which either may be first.
func (p *process) lastWords() string {
	select {
	case <-p.done:
	case <-time.After(lastWordsPatience):
	}
	return p.Stderr()
}

// Stderr implements Process.
func (p *process) Stderr() string { return p.errs.tail.String() }

// Wait implements Process.
func (p *process) Wait() error {
	<-p.done
	return p.err
}

// Done implements Process.
func (p *process) Done() <-chan struct{} { return p.done }

// Kill implements Process.
func (p *process) Kill() { p.letGo(nil) }
