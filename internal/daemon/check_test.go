package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// secretWord stands where a password stood when these texts were recorded.
const secretWord = "Harbor12345"

func TestParseStderr(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Report
	}{
		"1.6-syntax":  {"containerd: failed to load TOML: /x/bad.toml: (3, 13): unescaped control character U+000A\n", Report{File: "/x/bad.toml", Row: 3, Column: 13, Error: "unescaped control character U+000A"}},
		"1.6-type":    {"containerd: (3, 1): Can't convert [Harbor12345]([]interface {}) to a slice\n", Report{Row: 3, Column: 1, Error: "Can't convert ***([]interface {}) to a slice"}},
		"1.6-word":    {"containerd: (3, 1): Can't convert Harbor12345(string) to bool\n", Report{Row: 3, Column: 1, Error: "Can't convert ***(string) to bool"}},
		"1.6-import":  {"containerd: failed to load TOML: /nope/x.toml: open /nope/x.toml: no such file or directory\n", Report{Error: "failed to load TOML: /nope/x.toml: open /nope/x.toml: no such file or directory"}},
		"1.6-uri":     {"containerd: failed to load TOML from /x/dis.toml: invalid disabled plugin URI \"cri\" expect io.containerd.x.vx\n", Report{Error: "failed to load TOML from /x/dis.toml: invalid disabled plugin URI \"cri\" expect io.containerd.x.vx"}},
		"2.4-syntax":  {"time=\"2026-11-23T10:01:19Z\" level=error msg=\"Failure unmarshaling TOML\" column=24 error=\"toml: basic strings cannot have new lines\" file=/x/bad.toml row=3\ncontainerd: failed to unmarshal TOML at row 3 column 24: toml: basic strings cannot have new lines\n", Report{File: "/x/bad.toml", Row: 3, Column: 24, Error: "toml: basic strings cannot have new lines"}},
		"2.4-type":    {"containerd: toml: cannot decode TOML array into struct field config.Registry.ConfigPath of type string\n", Report{Error: "toml: cannot decode TOML array into struct field config.Registry.ConfigPath of type string"}},
		"2.4-version": {"containerd: failed to load TOML from /x/ver.toml: expected containerd config version equal to or less than `4`, got `9`\n", Report{Error: "failed to load TOML from /x/ver.toml: expected containerd config version equal to or less than `4`, got `9`"}},
		"2.4-parsing": {"containerd: strconv.ParseInt: parsing \"Harbor12345\": invalid syntax\n", Report{Error: `strconv.ParseInt: parsing "***": invalid syntax`}},
		"2.4-migrated": {"time=\"2026-11-23T10:01:19Z\" level=warning msg=\"Configuration migrated from version 2, use `containerd config migrate` to avoid migration\" t=\"8.1µs\"\n",
			Report{}},
		"2.x-unknown-key": {strings.Repeat("time=\"2026-11-23T10:01:19Z\" level=warning msg=\"Ignoring unknown key in TOML for plugin\" error=\"strict mode: fields in the document are missing in the target struct\" key=\"registry configs h tls\" plugin=io.containerd.cri.v1.images\n", 3),
			Report{Warnings: []string{"Ignoring unknown key in TOML for plugin, error strict mode: fields in the document are missing in the target struct, key registry configs h tls, plugin io.containerd.cri.v1.images"}}},
		"nothing": {"", Report{}},
		"garbage": {"panic: runtime error\n\ngoroutine 1 [running]:\n", Report{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseStderr(c.text)
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseStderr(f *testing.F) {
	f.Add("containerd: failed to load TOML: /x/bad.toml: (3, 13): reason\n")
	f.Add("time=\"2026\" level=warning msg=\"a\\nb\" error=\"c\" row=3\ncontainerd: failed to unmarshal TOML at row 99999999999999999999 column 24: x\n")
	f.Add("containerd: Can't convert [" + secretWord + "]([]interface {}) to a slice\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := parseStderr(text)
		for _, line := range append(r.Warnings, r.Error, r.File) {
			if strings.ContainsAny(line, "\n\r\x00\x1b") || len(line) > maxLine+len("…") {
				t.Errorf("not one short line: %q", line)
			}
		}
		if len(r.Warnings) > maxWarnings || r.Row < 0 || r.Column < 0 {
			t.Errorf("out of bounds: %+v", r)
		}
	})
}

func checked(t *testing.T, proc string, run *fakeRun) (*Daemon, string) {
	t.Helper()
	candidate := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(candidate, []byte("version = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Find(t.Context(), Options{Proc: fakeProc(t, proc), Systemd: &fakeSystemd{}, Run: version("2.4.2").run})
	if err != nil {
		t.Fatal(err)
	}
	d.opt.Run = run.run
	return d, candidate
}

func TestCheck(t *testing.T) {
	good := Output{StdoutSize: 8000}
	bad := Output{Exit: 1, Stderr: []byte("containerd: failed to unmarshal TOML at row 3 column 24: toml: incomplete\n")}
	for name, c := range map[string]struct {
		reason string
		proc   string
		run    *fakeRun
		ok     bool
		error  string
		asked  int
	}{
		"good":     {"", "plain", &fakeRun{out: good}, true, "", 1},
		"bad":      {"", "plain", &fakeRun{out: bad}, false, "toml: incomplete", 1},
		"silent":   {"a status without a reason is still a refusal", "plain", &fakeRun{out: Output{Exit: 2}}, false, "containerd config dump ended with exit status 2 and no reason", 1},
		"empty":    {"nothing printed is no configuration", "plain", &fakeRun{}, false, "containerd printed no configuration", 1},
		"replaced": {"the binary that a restart starts is asked, too", "upgraded", &fakeRun{out: good}, true, "", 2},
		"replaced-no": {"and has its say", "upgraded", &fakeRun{each: func(c Command) (Output, error) {
			if c.Path == "/usr/bin/containerd" {
				return bad, nil
			}
			return good, nil
		}}, false, "toml: incomplete", 2},
	} {
		t.Run(name, func(t *testing.T) {
			d, candidate := checked(t, c.proc, c.run)
			r, err := d.Check(t.Context(), candidate)
			if err != nil {
				t.Fatal(err)
			}
			if r.OK() != c.ok || r.Error != c.error || len(c.run.ran) != c.asked {
				t.Errorf("%s: got %+v, ran %+v", c.reason, r, c.run.ran)
			}
			want := []string{"/usr/bin/containerd", "-c", candidate, "config", "dump"}
			if diff := cmp.Diff(want, c.run.ran[0].Argv); diff != "" || !c.run.ran[0].DiscardStdout {
				t.Errorf("command: %s", diff)
			}
		})
	}
}

func TestCheckCannotAsk(t *testing.T) {
	for name, c := range map[string]struct {
		candidate string
		run       *fakeRun
	}{
		"relative":       {"config.toml", &fakeRun{}},
		"missing":        {"/nowhere/config.toml", &fakeRun{}},
		"folder":         {"/", &fakeRun{}},
		"does-not-start": {"", &fakeRun{err: errors.New("exec format error")}},
		"hangs":          {"", &fakeRun{err: context.DeadlineExceeded}},
	} {
		t.Run(name, func(t *testing.T) {
			d, candidate := checked(t, "plain", c.run)
			if c.candidate != "" {
				candidate = c.candidate
			}
			r, err := d.Check(t.Context(), candidate)
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %+v, %v; want an error of one line", r, err)
			}
		})
	}
}
