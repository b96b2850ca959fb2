package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// teller writes the story: to the terminal, perhaps with colours, and to the
// transcript without.
type teller struct {
	out        io.Writer
	colour     bool
	transcript *os.File
	told       strings.Builder
	err        error
}

// say writes a line of narration.
func (t *teller) say(format string, args ...any) {
	t.line("\x1b[36m", "-- "+fmt.Sprintf(format, args...))
}

// step announces a step of the story.
func (t *teller) step(number int, title string) {
	t.line("", "")
	t.line("\x1b[1;36m", fmt.Sprintf("== %d. %s", number, title))
}

// command shows the command that runs next, exactly as the shell gets it.
func (t *teller) command(line string) { t.line("\x1b[1m", "$ "+line) }

func (t *teller) line(colour, text string) {
	if t.colour && colour != "" {
		t.keep(io.WriteString(t.out, colour+text+"\x1b[0m\n"))
	} else {
		t.keep(io.WriteString(t.out, text+"\n"))
	}
	t.record(text + "\n")
}

// Write takes what a command prints as it comes.
func (t *teller) Write(b []byte) (int, error) {
	t.keep(t.out.Write(b))
	t.record(string(b))
	return len(b), nil
}

func (t *teller) record(text string) {
	t.told.WriteString(text)
	if t.transcript != nil {
		t.keep(t.transcript.WriteString(text))
	}
}

// keep remembers the first write that failed. The story goes on without its
// listener, for the checks are what counts; finish tells.
func (t *teller) keep(_ int, err error) {
	if t.err == nil {
		t.err = err
	}
}

// finish gives the first error of writing and closes the transcript.
func (t *teller) finish() error {
	if t.transcript != nil {
		if err := t.transcript.Close(); t.err == nil {
			t.err = err
		}
	}
	return t.err
}
