package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	// journalWithin bounds the reading of a journal, and journalBytes what is taken of
	// what journalctl writes.
	journalWithin = 10 * time.Second
	journalBytes  = 64 << 20
	// longestLine is the longest entry that is looked at; longer ones are passed over.
	longestLine = 256 << 10
	// maxJournal is how many entries are kept.
	maxJournal = 20_000
)

// JournalLine is one entry of a unit's journal.
type JournalLine struct {
	At   time.Time
	Text string
}

// ErrNoJournal tells that there is no journal of systemd to be read here.
var ErrNoJournal = errors.New("there is no journalctl on this node")

// JournalReader reads journals with journalctl; the zero value looks for that where
// systems have it.
type JournalReader struct {
	// Program is its path; empty finds it.
	Program string
}

// Read returns the entries of a unit that are no older than since and that keep is
// true for, in their order. A journal that is too big is read from its end: then
// whole is false, and the oldest entry tells how far back. What is not text, or too
// long, is passed over.
func (j JournalReader) Read(ctx context.Context, unit string, since time.Duration, keep func(string) bool) (lines []JournalLine, whole bool, err error) {
	program := j.Program
	if program == "" {
		if program, err = find("journalctl"); err != nil {
			return nil, false, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, journalWithin)
	defer cancel()
	// The newest first, so that what a bound cuts off is the oldest.
	cmd := exec.CommandContext(ctx, program, "--quiet", "--no-pager", "--reverse", "--all", "--output=json", "--output-fields=MESSAGE",
		fmt.Sprintf("--since=-%ds", int64(since/time.Second)), "--unit="+unit)
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", []string{"LC_ALL=C", "SYSTEMD_COLORS=0"}, time.Second
	stderr := &bounded{}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, false, err
	}
	if err := cmd.Start(); err != nil {
		return nil, false, fmt.Errorf("journalctl: %w", err)
	}
	lines, whole = readJournal(io.LimitReader(out, journalBytes), keep)
	// There is something left when a bound cut it off; then its end is of no interest.
	if n, _ := out.Read(make([]byte, 1)); n > 0 {
		whole = false
	}
	late := ctx.Err() != nil
	if !whole {
		cancel()
	}
	err = cmd.Wait()
	slices.Reverse(lines)
	switch {
	case late && len(lines) == 0:
		return nil, false, fmt.Errorf("journalctl: no answer within %s", journalWithin)
	case late || !whole:
		return lines, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("journalctl: %s", oneLine(err.Error()+": "+stderr.kept.String()))
	}
	return lines, true, nil
}

// find is a program in the folders of a system, whatever the environment says.
func find(name string) (string, error) {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/run/current-system/sw/bin"} {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", ErrNoJournal
}

// readJournal reads what journalctl writes as JSON, an entry a line.
func readJournal(r io.Reader, keep func(string) bool) (lines []JournalLine, whole bool) {
	in := bufio.NewReaderSize(r, longestLine)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			line = nil
		}
		if l, ok := journalLine(line); ok && keep(l.Text) {
			if len(lines) == maxJournal {
				return lines, false
			}
			lines = append(lines, l)
		}
		if err != nil {
			return lines, errors.Is(err, io.EOF)
		}
	}
}

// journalLine reads one entry. What is not UTF-8, or holds control characters, comes
// as a list of bytes.
func journalLine(line []byte) (l JournalLine, ok bool) {
	var e struct {
		Message json.RawMessage `json:"MESSAGE"`
		At      string          `json:"__REALTIME_TIMESTAMP"`
	}
	if len(bytes.TrimSpace(line)) == 0 || json.Unmarshal(line, &e) != nil {
		return l, false
	}
	micro, err := strconv.ParseInt(e.At, 10, 64)
	if err != nil {
		return l, false
	}
	l.At = time.UnixMicro(micro).UTC()
	if json.Unmarshal(e.Message, &l.Text) == nil {
		return l, l.Text != ""
	}
	var numbers []uint16
	if json.Unmarshal(e.Message, &numbers) != nil {
		return l, false
	}
	text := make([]byte, len(numbers))
	for i, n := range numbers {
		text[i] = byte(n)
	}
	l.Text = string(text)
	return l, l.Text != ""
}
