package transport

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/engine"
)

// shells are those that nodes have for /bin/sh; those of this machine are used.
func shells(t *testing.T) map[string][]string {
	all := map[string][]string{"sh": {"/bin/sh"}}
	for name, argv := range map[string][]string{"bash": {"bash", "--posix"}, "busybox": {"busybox", "ash"}, "ksh": {"ksh"}, "mksh": {"mksh"}} {
		if _, err := exec.LookPath(argv[0]); err == nil {
			all[name] = argv
		} else {
			t.Logf("no %s on this machine: the scripts are not tried with it", name)
		}
	}
	return all
}

// runScript runs a script's argv with another shell and returns what it reports.
func runScript(t *testing.T, shell, argv []string, stdin string) (reports []report, stderr string) {
	t.Helper()
	argv = append(slices.Clone(shell), argv[1:]...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, _ := cmd.Output()
	for _, line := range strings.Split(string(out), "\n") {
		if rest, ok := strings.CutPrefix(line, "M "); ok {
			reports = append(reports, parseReport(rest))
		}
	}
	return reports, errs.String()
}

func testLayout(t *testing.T) layout {
	return layout{dir: filepath.Join(t.TempDir(), "pullway", "engine"), anyUser: true}
}

func theEngine(t *testing.T, script string) engine.Engine {
	t.Helper()
	e, err := engineOf(script).For("amd64")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// files lists what is in the engine directory, sorted, without the common prefix.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, strings.TrimPrefix(e.Name(), "pullway-node-"))
	}
	return names
}

func TestScriptsPassEveryLoginShell(t *testing.T) {
	for name, s := range map[string]string{"become": becomeScript, "start": startScript, "upload": uploadScript} {
		if strings.ContainsAny(s, "'\\!\n") {
			t.Errorf("the %s script has a character that csh or fish change within single quotes", name)
		}
	}
}

func TestUploadScript(t *testing.T) {
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			l := testLayout(t)
			e := theEngine(t, testEngine)
			steps := []struct {
				reason, stdin string
				want          string
				left          []string
			}{
				{"cut short", testEngine[:10], "[{go } {fail size 10}]", []string{}},
				{"too long", testEngine + "x", fmt.Sprintf("[{go } {fail size %d}]", len(testEngine)+1), []string{}},
				{"changed", strings.ToUpper(testEngine), "[{go } {fail hash " + hashOf(strings.ToUpper(testEngine)) + "}]", []string{}},
				{"whole", testEngine, "[{go } {stored }]", []string{e.SHA256}},
				{"again", testEngine, "[{go } {stored }]", []string{e.SHA256}},
			}
			for _, s := range steps {
				got, stderr := runScript(t, shell, uploadArgv(l, "M", e), s.stdin)
				if fmt.Sprint(got) != s.want {
					t.Errorf("%s: reports %v, want %s; it said %q", s.reason, got, s.want, stderr)
				}
				if diff := cmp.Diff(s.left, files(t, l.dir)); diff != "" {
					t.Errorf("%s leaves behind:\n%s", s.reason, diff)
				}
			}
		})
	}
}

func TestUploadKeepsTheTwoNewestOthers(t *testing.T) {
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			l := testLayout(t)
			if err := os.MkdirAll(l.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			for i, f := range []string{"pullway-node-old", "pullway-node-older", "pullway-node-new", "pullway-node-newer", ".upload-left-over", ".upload-of-somebody", "notes"} {
				file := filepath.Join(l.dir, f)
				if err := os.WriteFile(file, nil, 0o755); err != nil {
					t.Fatal(err)
				}
				age := map[int]time.Duration{0: 3 * time.Hour, 1: 4 * time.Hour, 2: 2 * time.Hour, 3: time.Hour, 4: 2 * time.Hour}[i]
				if err := os.Chtimes(file, now.Add(-age), now.Add(-age)); err != nil {
					t.Fatal(err)
				}
			}
			e := theEngine(t, testEngine)
			if got, stderr := runScript(t, shell, uploadArgv(l, "M", e), testEngine); fmt.Sprint(got) != "[{go } {stored }]" {
				t.Fatalf("reports %v, it said %q", got, stderr)
			}
			want := []string{".upload-of-somebody", "notes", e.SHA256, "new", "newer"}
			got := files(t, l.dir)
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConcurrentUploads(t *testing.T) {
	l := testLayout(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			e := theEngine(t, testEngine)
			argv := uploadArgv(l, "M", e)
			argv[4] = fmt.Sprintf("M%d", i) // each operator has a mark of its own
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Stdin = strings.NewReader(testEngine)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "stored") {
				t.Errorf("upload %d: %v, %q", i, err, out)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{hashOf(testEngine)}, files(t, l.dir)); diff != "" {
		t.Error(diff)
	}
}

func TestStartScript(t *testing.T) {
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			cases := map[string]struct {
				spoil func(t *testing.T, l layout, file string)
				want  string
			}{
				"there":   {func(*testing.T, layout, string) {}, "ready "},
				"missing": {func(t *testing.T, _ layout, f string) { must(t, os.Remove(f)) }, "missing "},
				"a directory in its place": {func(t *testing.T, _ layout, f string) {
					must(t, os.Remove(f))
					must(t, os.Mkdir(f, 0o755))
				}, "missing "},
				"not executable": {func(t *testing.T, _ layout, f string) { must(t, os.Chmod(f, 0o644)) }, "fail noexec"},
				"its directory is writable by all": {func(t *testing.T, l layout, _ string) {
					must(t, os.Chmod(l.dir, 0o777))
				}, "fail unsafe DIR writable"},
				"its directory is writable by a group": {func(t *testing.T, l layout, _ string) {
					must(t, os.Chmod(l.dir, 0o770))
				}, "fail unsafe DIR writable"},
				"a directory above is writable by all": {func(t *testing.T, l layout, _ string) {
					must(t, os.Chmod(filepath.Dir(l.dir), 0o707))
				}, "fail unsafe UP writable"},
				"a directory above is sticky": {func(t *testing.T, l layout, _ string) {
					must(t, os.Chmod(filepath.Dir(l.dir), 0o777|os.ModeSticky))
				}, "ready "},
				"its directory is a link": {func(t *testing.T, l layout, _ string) {
					must(t, os.Rename(l.dir, l.dir+"2"))
					must(t, os.Symlink(l.dir+"2", l.dir))
				}, "fail unsafe DIR kind"},
				"its directory belongs to somebody": {func(t *testing.T, l layout, _ string) {
					if os.Getuid() != 0 {
						t.Skip("only root can give a directory away: run as root to try this case")
					}
					must(t, os.Chown(l.dir, 12345, 0))
				}, "fail unsafe DIR owner"},
			}
			for name, c := range cases {
				t.Run(name, func(t *testing.T) {
					l := testLayout(t)
					e := theEngine(t, testEngine)
					file := filepath.Join(l.dir, "pullway-node-"+e.SHA256)
					must(t, os.MkdirAll(l.dir, 0o700))
					must(t, os.WriteFile(file, []byte(testEngine), 0o755))
					c.spoil(t, l, file)
					argv := startArgv(l, "M", map[string]string{"amd64": e.SHA256, "arm64": e.SHA256})
					got, stderr := runScript(t, shell, argv, "")
					want := strings.NewReplacer("DIR", l.dir, "UP", filepath.Dir(l.dir)).Replace(c.want)
					if len(got) != 1 || !strings.HasPrefix(got[0].word+" "+got[0].rest, want) {
						t.Errorf("reports %v, want one that begins %q; it said %q", got, want, stderr)
					}
				})
			}
		})
	}
}

func TestOnlyRootRunsTheEngine(t *testing.T) {
	l := testLayout(t)
	l.anyUser = false
	argv := startArgv(l, "M", nil)
	argv[2] = strings.Replace(argv[2], "me=$(id -u)", "me=1000", 1) // whoever runs the test
	got, _ := runScript(t, []string{"/bin/sh"}, argv, "")
	if fmt.Sprint(got) != "[{fail root 1000}]" {
		t.Errorf("reports %v, want the refusal of user 1000", got)
	}
	e := scriptError(got[0], "", l.dir)
	if e.Kind != KindSudo || !strings.Contains(e.Text, "1000") {
		t.Errorf("error is %q of kind %q", e.Text, e.Kind)
	}
}

func TestStoreErrors(t *testing.T) {
	for stderr, want := range map[string]string{
		"cat: write error: No space left on device\n":                                 "has no space left",
		"mkdir: cannot create directory '/var/lib/pullway': Read-only file system\n":  "is on a read-only file system",
		"cat: write error: Disk quota exceeded\n":                                     "has no space left (quota)",
		"/bin/sh: 1: cannot create /x: Permission denied\n":                           "cannot be written",
		"chmod: changing permissions of '/x': Operation not permitted\n":              "cannot be written",
		"noise\nmkdir: cannot create directory '/var/lib/pullway': Not a directory\n": "Not a directory",
	} {
		if e := storeError(stderr, "/dir"); e.Kind != KindEngine || !strings.Contains(e.Text, want) {
			t.Errorf("storeError(%q) is %q, want %q in it", stderr, e.Text, want)
		}
	}
}

// TestFileSystems tries real file systems that are full, read-only and noexec.
func TestFileSystems(t *testing.T) {
	if os.Getuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("mounting needs root and unshare: full, read-only and noexec file systems are not tried")
	}
	big := testEngine + strings.Repeat("#padding\n", 40_000)
	for name, c := range map[string]struct{ options, says string }{
		"full":      {"size=64k,mode=0755", "has no space left"},
		"read-only": {"ro,mode=0755", "read-only"},
		"noexec":    {"noexec,mode=0755", "noexec"},
	} {
		t.Run(name, func(t *testing.T) {
			mount := t.TempDir()
			s := serve(t, nil)
			script := "mount -t tmpfs -o " + c.options + " none " + Quote(mount) + " && "
			s.exec = inNamespace(s, script, "; ls -A "+Quote(mount)+"/* >&2")
			d := dialer(t)
			d.Engines = engineOf(big)
			d.Options.EngineDir = filepath.Join(mount, "engine")
			_, err := connect(t, d, node(t, s.addr)).Start(t.Context())
			wantError(t, err, KindEngine, c.says)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
