// Package vuln tests what make vuln runs: it passes where the database cannot be
// reached, loudly, and in no other case in which nothing was checked.
package vuln

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run is the exit code and the words of run. No proxy leads to the usual database.
func run(t *testing.T, db string, packages ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(filepath.Join("test", "vuln", "run"), packages...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOVULNDB="+db, "HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=", "NO_PROXY=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

const small = "./internal/terminal"

// database is one on disk that knows one vulnerability, of a function of the
// standard library that small calls, or of one that nobody calls.
func database(t *testing.T, function string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index/db.json":      `{"modified":"2026-01-02T03:04:05Z"}`,
		"index/modules.json": `[{"path":"stdlib","vulns":[{"id":"GO-2026-99999","modified":"2026-01-02T03:04:05Z"}]}]`,
		"index/vulns.json":   `[{"id":"GO-2026-99999","modified":"2026-01-02T03:04:05Z"}]`,
		"ID/GO-2026-99999.json": fmt.Sprintf(`{"schema_version":"1.3.1","id":"GO-2026-99999","modified":"2026-01-02T03:04:05Z","published":"2026-01-02T03:04:05Z",
"database_specific":{"url":"https://pkg.go.dev/vuln/GO-2026-99999"},"summary":"made up for a test","details":"made up","affected":[{"package":{"name":"stdlib","ecosystem":"Go"},
"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":"unicode/utf8","symbols":[%q]}]}}]}`, function),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir
}

func TestVuln(t *testing.T) {
	// The program comes from the module proxy, which run cuts off.
	if out, err := exec.Command("go", "tool", "-n", "govulncheck").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	nonsense := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	t.Cleanup(nonsense.Close)
	for _, tc := range []struct {
		name, db string
		packages []string
		code     int
		says     string
	}{
		{"a finding fails", database(t, "DecodeRune"), []string{small}, 3, "GO-2026-99999"},
		{"nothing of it is called", database(t, "NoSuchFunction"), []string{small}, 0, "No vulnerabilities found"},
		{"the usual database is out of reach", "", []string{small}, 0, "NOT CHECKED"},
		{"one that was named is out of reach", "http://127.0.0.1:1", []string{small}, 1, "vulndb"},
		{"an answer that makes no sense", nonsense.URL, []string{small}, 1, "govulncheck: "},
		{"no such database on disk", "file:///nonexistent", []string{small}, 1, "creating client"},
		{"no such package", database(t, "DecodeRune"), []string{"./internal/nosuch"}, 1, "nosuch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			code, out := run(t, tc.db, tc.packages...)
			if code != tc.code || !strings.Contains(out, tc.says) {
				t.Errorf("exit code %d, want %d with %q: %s", code, tc.code, tc.says, out)
			}
		})
	}
}
