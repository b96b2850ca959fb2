package transport

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode"
)

// oneCleanLine: nothing in s ends a line or drives a terminal.
func oneCleanLine(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) })
}

// inPieces writes b in pieces of n bytes.
func inPieces(w io.Writer, b []byte, n int) error {
	for len(b) > 0 {
		k := min(len(b), max(1, n))
		if _, err := w.Write(b[:k]); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}

// FuzzPrompt: sudo's prompt is seen however the bytes come, is no part of what is
// kept, and what is held back is shorter than a prompt.
func FuzzPrompt(f *testing.F) {
	const prompt = "pullway-sudo-ABCDEFGHIJKLMNOPQRSTUVWXYZ:"
	f.Add([]byte("Sorry, try again.\n"+prompt), 1)
	f.Add([]byte(prompt+prompt+"x"), 7)
	f.Add([]byte("pullway-sudo-pullway-sudo-ABC"), 3)
	f.Add(bytes.Repeat([]byte("\x1b[2J\xff"), 3000), 4096)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		p := newPromptFilter(prompt)
		if err := inPieces(p, b, n); err != nil {
			t.Fatal(err)
		}
		seen := false
		select {
		case <-p.prompts:
			seen = true
		default:
		}
		if seen != bytes.Contains(b, []byte(prompt)) {
			t.Fatalf("prompt seen: %v in %q", seen, b)
		}
		if len(p.held) >= len(prompt) || len(p.tail.String()) > 3*tailSize || strings.Contains(string(p.tail.buf), prompt) && !bytes.Contains(bytes.ReplaceAll(b, []byte(prompt), nil), []byte(prompt)) {
			t.Fatalf("%d bytes held, %d kept", len(p.held), len(p.tail.buf))
		}
		for _, line := range strings.Split(p.tail.String(), "\n") {
			if !oneCleanLine(strings.ReplaceAll(line, "\t", "")) {
				t.Fatalf("%q", line)
			}
		}
		if !oneCleanLine(strings.ReplaceAll(sudoError(p.tail.String()).Error(), "\t", "")) {
			t.Fatalf("%q", sudoError(p.tail.String()).Error())
		}
	})
}

// FuzzPreamble: before the script is ready a node's output is read for reports, a
// bounded amount of it; afterwards every byte is the engine's, however they come.
func FuzzPreamble(f *testing.F) {
	const mark = "pullway-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	f.Add([]byte("Welcome!\n"+mark+" sudo\n"+mark+" ready amd64\n{\"reply\":{}}\n"), 5)
	f.Add([]byte(mark+" fail unsafe /var \x1b[2J\n"), 1)
	f.Add(bytes.Repeat([]byte(mark+" x\n"), 100), 4096)
	f.Add(bytes.Repeat([]byte("noise"), 20000), 30000)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		r, pipe := io.Pipe()
		w := newPreambleWriter(mark, pipe)
		var got bytes.Buffer
		read := make(chan struct{})
		go func() { defer close(read); _, _ = io.Copy(&got, r) }()
		err := inPieces(w, b, n)
		w.endOfPreamble()
		_ = pipe.Close()
		<-read
		count := 0
		ready := false
		for rep := range w.reports {
			count++
			ready = ready || rep.word == "ready"
			if !oneCleanLine(rep.word+rep.rest) || len(rep.word)+len(rep.rest) > 2*maxLine {
				t.Fatalf("report %+v", rep)
			}
			if e := scriptError(rep, "", "/var/lib/pullway/engine"); !oneCleanLine(e.Error()) {
				t.Fatalf("%q", e.Error())
			}
		}
		if count > cap(w.reports) || len(w.buf) > maxNoise {
			t.Fatalf("%d reports, %d bytes kept", count, len(w.buf))
		}
		if !ready && got.Len() > 0 {
			t.Fatalf("%d bytes reach the engine's reader before the engine is there", got.Len())
		}
		if ready && err == nil && !bytes.HasSuffix(b, got.Bytes()) {
			t.Fatalf("the engine said %q of %q", got.Bytes(), b)
		}
	})
}

// FuzzHop: whatever an inventory, an ssh command line or a ProxyJump says, what is
// connected to is a host, a user and a port, fit to stand in a ProxyCommand.
func FuzzHop(f *testing.F) {
	f.Add("web-1", "root", "-o ProxyCommand=\"ssh -W %h:%p bastion\" -p 2222", "user@bastion:22,inner")
	f.Add("$(reboot)", "a;b", "-F /etc/passwd -J x", "ssh://u@[fd00::1]:22")
	f.Add("-oProxyCommand=x", "`id`", "-o", "@:,,")
	f.Add("h", "DOM\\user", "-i '' -l x -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null", "none")
	f.Fuzz(func(t *testing.T, host, user, args, jump string) {
		words, err := SplitArgs(args)
		if err != nil {
			return
		}
		a := parseSSHArgs(words)
		for _, w := range a.warnings {
			if strings.ContainsAny(w, "\n\r\x1b") {
				t.Fatalf("not one line: %q", w)
			}
		}
		s := settings{config: &sshConfig{}, args: a.options, opts: Options{Home: "/home/op"}}
		hops := []string{host}
		hops = append(hops, strings.Split(jump, ",")...)
		for i, name := range hops {
			var h hop
			if i == 0 {
				h, err = s.node(Target{Name: "n", Host: name, User: user, ProxyJump: jump})
			} else {
				h, err = s.jumpHost(name)
			}
			if err != nil {
				if !oneCleanLine(err.Error()) {
					t.Fatalf("%q", err)
				}
				continue
			}
			if strings.ContainsAny(h.host+h.user, " \t\n'\"`$&|;<>()*?!~#{}=,/") || strings.HasPrefix(h.host, "-") || strings.HasPrefix(h.user, "-") || h.port < 1 || h.port > 65535 {
				t.Fatalf("%q of %q was accepted as a host, %q of %q as a user", h.host, name, h.user, user)
			}
		}
	})
}
