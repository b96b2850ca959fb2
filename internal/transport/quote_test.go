package transport

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":              "''",
		"plain-1.2/x":   "plain-1.2/x",
		"two words":     "'two words'",
		"it's":          `'it'\''s'`,
		"$(reboot)`x`":  "'$(reboot)`x`'",
		"~root":         "'~root'",
		"a\x00b":        "ab",
		"line\nbreak":   "'line\nbreak'",
		"-n":            "-n",
		"ünïcode":       "'ünïcode'",
		"\\\"!*?[]{}<>": "'\\\"!*?[]{}<>'",
	} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) is %s, want %s", in, got, want)
		}
	}
}

// FuzzQuote gives the quoted word to a real shell and compares what it reads.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "it's", "$(id)", "a\nb", "\\", "'", "''\\''", "-e", "\xff\xfe", "*", "!!", "a\x00b", "~", "${IFS}", "\r\n\t "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10_000 {
			return
		}
		want := strings.ReplaceAll(s, "\x00", "")
		out, err := exec.Command("/bin/sh", "-c", "printf '%s.' "+Quote(s)+" end").Output()
		if err != nil || string(out) != want+".end." {
			t.Fatalf("sh reads %q of Quote(%q) = %s, error %v", out, s, Quote(s), err)
		}
	})
}

func TestSplitArgs(t *testing.T) {
	for in, want := range map[string][]string{
		"":           nil,
		"  -p 22\t ": {"-p", "22"},
		`-o ProxyCommand="ssh -W %h:%p -q bastion"`: {"-o", "ProxyCommand=ssh -W %h:%p -q bastion"},
		`-o 'ProxyCommand=nc "%h" %p'`:              {"-o", `ProxyCommand=nc "%h" %p`},
		`"a \"b\" \\ \n"`:                           {`a "b" \ \n`},
		`a\ b ''`:                                   {"a b", ""},
	} {
		got, err := SplitArgs(in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("SplitArgs(%q): error %v\n%s", in, err, diff)
		}
	}
	for _, bad := range []string{`'open`, `a "b`, `"\"`} {
		if _, err := SplitArgs(bad); err == nil {
			t.Errorf("SplitArgs(%q) gives no error", bad)
		}
	}
}

func TestSplitArgsReadsWhatQuoteWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringMatching(`[ -~\n\t]*`), 1, 5).Draw(t, "words")
		got, err := SplitArgs(commandLine(want))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatalf("error %v\n%s", err, diff)
		}
	})
}

func FuzzSplitArgs(f *testing.F) {
	f.Add(`-o ProxyCommand="a 'b' \"c" -p 22`)
	f.Fuzz(func(_ *testing.T, s string) {
		words, err := SplitArgs(s)
		if err == nil {
			parseSSHArgs(words) // must not panic either
		}
	})
}
