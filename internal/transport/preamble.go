package transport

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// maxNoise is how much a node may print before the script reports: shell
// start-up files that talk. More is refused.
const maxNoise = 64 << 10

var errNoise = fmt.Errorf("the node printed more than %d bytes before the engine started", maxNoise)

// preambleWriter takes a command's standard output. It hands out the script's
// reports and, after the report "ready", passes everything on to the pipe.
type preambleWriter struct {
	mark    []byte
	pipe    *io.PipeWriter
	reports chan report
	closed  sync.Once

	buf    []byte
	noise  int
	ready  bool
	passed atomic.Bool
}

func newPreambleWriter(mark string, pipe *io.PipeWriter) *preambleWriter {
	// A script makes at most four reports; the room for more lets a node that
	// sends too many run into the bound below instead of blocking us.
	return &preambleWriter{mark: []byte(mark + " "), pipe: pipe, reports: make(chan report, 16)}
}

// Write implements io.Writer.
func (w *preambleWriter) Write(p []byte) (int, error) {
	if w.ready {
		w.passed.Store(true)
		return w.pipe.Write(p)
	}
	if w.noise += len(p); w.noise > maxNoise {
		return 0, errNoise
	}
	w.buf = append(w.buf, p...)
	for {
		i := bytes.Index(w.buf, w.mark)
		if i < 0 {
			break
		}
		line, rest, whole := bytes.Cut(w.buf[i+len(w.mark):], []byte{'\n'})
		if !whole {
			break
		}
		r := parseReport(oneLine(string(line)))
		w.buf = append([]byte(nil), rest...)
		w.ready = r.word == "ready"
		select {
		case w.reports <- r:
		default:
			return 0, errNoise
		}
		if w.ready {
			w.endOfPreamble()
			if len(w.buf) > 0 {
				w.passed.Store(true)
				if _, err := w.pipe.Write(w.buf); err != nil {
					return 0, err
				}
			}
			w.buf = nil
			break
		}
	}
	return len(p), nil
}

// endOfPreamble says that there will be no more reports.
func (w *preambleWriter) endOfPreamble() { w.closed.Do(func() { close(w.reports) }) }

// quiet reports whether the engine has said nothing.
func (w *preambleWriter) quiet() bool { return !w.passed.Load() }

// promptFilter takes a command's standard error: it tells of sudo's prompt and
// keeps the tail of everything else.
type promptFilter struct {
	tail    tail
	prompt  []byte
	held    []byte
	prompts chan struct{}
}

func newPromptFilter(prompt string) *promptFilter {
	return &promptFilter{prompt: []byte(prompt), prompts: make(chan struct{}, 1)}
}

// Write implements io.Writer. It never fails.
func (f *promptFilter) Write(p []byte) (int, error) {
	if len(f.prompt) == 0 {
		return f.tail.Write(p)
	}
	f.held = append(f.held, p...)
	for {
		i := bytes.Index(f.held, f.prompt)
		if i < 0 {
			break
		}
		_, _ = f.tail.Write(f.held[:i])
		f.held = append([]byte(nil), f.held[i+len(f.prompt):]...)
		select {
		case f.prompts <- struct{}{}:
		default:
		}
	}
	// Hold back only what may be the beginning of a prompt.
	keep := 0
	for n := min(len(f.prompt)-1, len(f.held)); n > 0; n-- {
		if bytes.HasSuffix(f.held, f.prompt[:n]) {
			keep = n
			break
		}
	}
	_, _ = f.tail.Write(f.held[:len(f.held)-keep])
	f.held = append([]byte(nil), f.held[len(f.held)-keep:]...)
	return len(p), nil
}
