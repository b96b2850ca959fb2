package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// nasty is one of each kind, with what it does on a terminal.
var nasty = []struct{ name, s string }{
	{"clears the screen", "\x1b[2J"},
	{"C1 control sequence introducer, a terminal's escape without ESC", "\u009b2J"},
	{"DEL", "\x7f"},
	{"goes back to the beginning of the line", "\r"},
	{"begins a line of its own", "\n"},
	{"sets the window's title", "\x1b]0;x\x07"},
	{"turns the text around", "\u202e"},
	{"isolates", "\u2066"},
	{"no width", "\u200b"},
	{"separates lines", "\u2028"},
	{"a tag, invisible", "\U000e0041"},
	{"private use", "\ue000"},
	{"byte order mark", "\ufeff"},
	{"no UTF-8", "\xff\x9b"},
}

func TestCleanLeavesOnlyText(t *testing.T) {
	for _, tc := range nasty {
		got := Clean("a" + tc.s + "b")
		if strings.ContainsFunc(got, Drives) || !strings.HasPrefix(got, "a?") || !strings.HasSuffix(got, "b") {
			t.Errorf("%s: Clean(%q) = %q", tc.name, tc.s, got)
		}
	}
	const text = "node1\t192.168.21.9/团队/app:v1 – café 🚀"
	if got := Clean(text); got != text {
		t.Errorf("Clean(%q) = %q: text must stay", text, got)
	}
}

func TestEscapeJSONMeansTheSame(t *testing.T) {
	for _, tc := range nasty {
		in := map[string]string{"k" + tc.s: "a" + tc.s + "b 团队 🚀"}
		var b, plain bytes.Buffer
		if err := json.NewEncoder(EscapeJSON(&b)).Encode(in); err != nil {
			t.Fatal(err)
		}
		_ = json.NewEncoder(&plain).Encode(in)
		checkJSON(t, plain.Bytes(), b.Bytes())
	}
}

// checkJSON: the same value, and nothing in it that drives a terminal.
func checkJSON(t *testing.T, plain, escaped []byte) {
	t.Helper()
	text := strings.TrimSuffix(string(escaped), "\n")
	if strings.ContainsFunc(strings.ReplaceAll(text, "\ufffd", ""), Drives) || !utf8.ValidString(text) {
		t.Errorf("%q drives a terminal", text)
	}
	var a, b any
	if json.Unmarshal(plain, &a) != nil || json.Unmarshal(escaped, &b) != nil {
		t.Fatalf("not JSON any more: %q", text)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if !bytes.Equal(x, y) {
		t.Errorf("%q became %q", x, y)
	}
}

func FuzzClean(f *testing.F) {
	for _, tc := range nasty {
		f.Add(tc.s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Clean(s)
		if strings.ContainsFunc(strings.ReplaceAll(once, "\t", ""), Drives) {
			t.Fatalf("Clean(%q) = %q", s, once)
		}
		if Clean(once) != once || utf8.RuneCountInString(once) != utf8.RuneCountInString(s) {
			t.Fatalf("Clean(%q) = %q is not stable", s, once)
		}
	})
}

func FuzzEscapeJSON(f *testing.F) {
	for _, tc := range nasty {
		f.Add(tc.s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b, plain bytes.Buffer
		_ = json.NewEncoder(EscapeJSON(&b)).Encode(s)
		_ = json.NewEncoder(&plain).Encode(s)
		checkJSON(t, plain.Bytes(), b.Bytes())
	})
}
