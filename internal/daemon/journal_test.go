package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func all(string) bool { return true }

// journalctl is a program that does what a script says; it writes its arguments to
// the file args beside it.
func journalctl(t *testing.T, script string) (JournalReader, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "journalctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho \"$@\" > "+dir+"/args\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return JournalReader{Program: path}, dir + "/args"
}

func TestJournalIsReadFromItsEnd(t *testing.T) {
	j, args := journalctl(t, `cat <<'E'
{"MESSAGE":"third\twith \u001b[2J","__REALTIME_TIMESTAMP":"1767355203000000"}
{"MESSAGE":[115,101,99,111,110,100,255],"__REALTIME_TIMESTAMP":"1767355202000000"}
{"MESSAGE":null,"__REALTIME_TIMESTAMP":"1767355202000000"}
{"MESSAGE":"no time"}
not JSON
{"MESSAGE":"skip","__REALTIME_TIMESTAMP":"1767355201000001"}
{"MESSAGE":"first","__REALTIME_TIMESTAMP":"1767355201000000"}
E`)
	got, whole, err := j.Read(t.Context(), "containerd.service", time.Hour, func(s string) bool { return s != "skip" })
	at := func(s int) time.Time { return time.Date(2026, 1, 2, 12, 0, s, 0, time.UTC) }
	want := []JournalLine{{at(1), "first"}, {at(2), "second\xff"}, {at(3), "third\twith \x1b[2J"}}
	if d := cmp.Diff(want, got); d != "" || !whole || err != nil {
		t.Errorf("%v, %v, %s", whole, err, d)
	}
	b, _ := os.ReadFile(args)
	if !strings.Contains(string(b), "--since=-3600s --unit=containerd.service") || !strings.Contains(string(b), "--reverse") {
		t.Errorf("asked %s", b)
	}
}

func TestJournalIsBounded(t *testing.T) {
	const entry = `{"MESSAGE":"%s","__REALTIME_TIMESTAMP":"1767355203000000"}`
	long := fmt.Sprintf(entry, strings.Repeat("x", 1000))
	for name, tc := range map[string]struct {
		script string
		most   int
		whole  bool
	}{
		"no end":            {"while :; do echo '" + long + "'; done", maxJournal, false},
		"a line of 10 MB":   {"head -c 10000000 /dev/zero | tr '\\0' x; echo; echo '" + long + "'", 1, true},
		"a line for ever":   {"exec tr '\\0' x < /dev/zero", 0, false},
		"garbage":           {"head -c 100000 /dev/urandom; echo; echo '" + long + "'", 1, true},
		"nothing":           {"", 0, true},
		"cut in the middle": {"printf '%s' '" + long[:500] + "'", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			j, _ := journalctl(t, tc.script)
			began := time.Now()
			got, whole, err := j.Read(t.Context(), "u", time.Hour, all)
			if err != nil || whole != tc.whole || len(got) > tc.most || tc.most == 1 && len(got) != 1 {
				t.Errorf("%d lines, whole %v, %v", len(got), whole, err)
			}
			if took := time.Since(began); took > journalWithin+5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestJournalThatCannotBeRead(t *testing.T) {
	j, _ := journalctl(t, "echo 'No journal files were\nfound.' >&2; exit 1")
	if _, _, err := j.Read(t.Context(), "u", time.Hour, all); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "No journal files were found.") {
		t.Errorf("%v", err)
	}
	if _, _, err := (JournalReader{Program: "/nonexistent/journalctl"}).Read(t.Context(), "u", time.Hour, all); err == nil {
		t.Error("a program that is not there was run")
	}
	if _, err := find("no-such-program-of-ours"); !errors.Is(err, ErrNoJournal) {
		t.Error(err)
	}
}

func FuzzReadJournal(f *testing.F) {
	f.Add(`{"MESSAGE":"x","__REALTIME_TIMESTAMP":"1"}` + "\n")
	f.Add(`{"MESSAGE":[1,2,70000],"__REALTIME_TIMESTAMP":"9223372036854775807"}` + "\n{")
	f.Fuzz(func(t *testing.T, text string) {
		lines, whole := readJournal(strings.NewReader(text), all)
		if !whole || len(lines) > strings.Count(text, "\n")+1 {
			t.Errorf("%d lines, %v", len(lines), whole)
		}
	})
}
