//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/trace"
	"github.com/pullway/pullway/test/agreement"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/rules"
)

// agreementEnv makes this test's program the registries of TestTraceAgreement, with
// its files in that folder; see TestMain.
const agreementEnv = "PULLWAY_E2E_AGREEMENT"

// agreementRatesEnv names the file that TestTraceAgreement writes its rates to, for make
// e2e to show.
const agreementRatesEnv = "PULLWAY_AGREEMENT_RATES"

const agreementPage = "../../docs/trace-agreement.md"

// TestTraceAgreement pulls through real containerds of each release with many
// configurations, from registries that answer in many ways and write down who is asked,
// and compares it with a trace of the same node: the order told from the files, every
// request, and the verdict. What came of it is in docs/trace-agreement.md, and this
// fails where it is not the same any more. It takes a third of the configurations, and
// all of them with PULLWAY_E2E=full; PULLWAY_AGREEMENT=record then writes the page.
func TestTraceAgreement(t *testing.T) {
	t.Parallel()
	tracer := filepath.Join(t.TempDir(), "usr/local/bin/tracer")
	build := exec.Command("go", "build", "-o", tracer, "../agreement/tracer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	only := regexp.MustCompile(os.Getenv("PULLWAY_AGREEMENT_ONLY"))
	var mu sync.Mutex
	var results []agreement.Result
	t.Run("releases", func(t *testing.T) {
		for _, release := range rules.Releases {
			t.Run(release, func(t *testing.T) {
				t.Parallel()
				layers, err := lab.Layers(t.Context(), lab.Config{}, release, slog.New(slog.NewTextHandler(t.Output(), nil)))
				if err != nil {
					t.Fatal(err)
				}
				layers = append([]string{filepath.Join(filepath.Dir(tracer), "../../..")}, layers...)
				w := newWorld(t, agreementEnv, agreement.Hosts())
				for _, group := range alikeCases(release, only) {
					all := agree(t, w, layers, release, group)
					mu.Lock()
					results = append(results, all...)
					mu.Unlock()
				}
			})
		}
	})
	for i := range results {
		for _, d := range results[i].Disagreements() {
			t.Errorf("%s on %s: %s", results[i].Case, results[i].Release, d)
		}
	}
	table := agreement.NewTable(results)
	for _, line := range table.Rates() {
		t.Log(line)
	}
	if name := os.Getenv(agreementRatesEnv); name != "" && !t.Failed() {
		if err := os.WriteFile(name, []byte(strings.Join(table.Rates(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page := table.Page()
	if os.Getenv("PULLWAY_AGREEMENT") == "record" && full() && only.String() == "" && !t.Failed() {
		if err := os.WriteFile(agreementPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(agreementPage)
	if err != nil {
		t.Fatal(err)
	}
	if !full() || only.String() != "" {
		for _, c := range agreement.Cases() {
			if row := table.Row(c); row != "" && !strings.Contains(string(recorded), row+"\n") {
				t.Errorf("%s does not say what came out: %s", agreementPage, row)
			}
		}
		return
	}
	if string(recorded) != page {
		now := filepath.Join(os.TempDir(), "trace-agreement.md")
		_ = os.WriteFile(now, []byte(page), 0o600)
		t.Errorf("%s is not what came out, which is in %s; PULLWAY_AGREEMENT=record records it", agreementPage, now)
	}
}

// alikeCases groups the cases of a release that need the same daemon.
func alikeCases(release string, only *regexp.Regexp) [][]agreement.Case {
	var groups [][]agreement.Case
	index := map[string]int{}
	for i, c := range agreement.Cases() {
		if !c.For(release) || !only.MatchString(c.Name) || !full() && i%3 != 0 {
			continue
		}
		key := c.Config + "\x00" + strings.Join(c.Env, "\x00")
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// agree runs one daemon over a group of cases.
func agree(t *testing.T, w *rulesWorld, layers []string, release string, group []agreement.Case) (all []agreement.Result) {
	t.Helper()
	dir, err := os.MkdirTemp("", "pwa")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	etc := filepath.Join(dir, "etc")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "config.toml"), []byte(group[0].Config), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := w.start(dir, layers, group[0].Env...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	if state, err := d.state(t.Context()); err != nil || state != "" {
		t.Fatalf("%s on %s: %q %v\n%s", group[0].Name, release, state, err, d.log())
	}
	words := strings.NewReplacer("@CA@", w.read(rules.PrivateCA), "@CERT@", w.read(rules.CertFile), "@KEY@", w.read(rules.KeyFile),
		"@good@", "Basic "+base64.StdEncoding.EncodeToString([]byte(agreement.User+":"+agreement.Password)),
		"@wrong@", "Basic "+base64.StdEncoding.EncodeToString([]byte(agreement.User+":wrong")))
	for _, c := range group {
		if err := os.RemoveAll(filepath.Join(etc, "certs.d")); err != nil {
			t.Fatal(err)
		}
		for name, text := range c.Files {
			name = filepath.Join(etc, "certs.d", name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(words.Replace(text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := d.agree(t.Context(), w, c, release)
		if err != nil {
			t.Fatalf("%s on %s: %v", c.Name, release, err)
		}
		all = append(all, r)
	}
	return all
}

var notInTags = regexp.MustCompile(`[^a-z0-9]+`)

// agree pulls the image of a case, then traces it.
func (d *rulesDaemon) agree(ctx context.Context, w *rulesWorld, c agreement.Case, release string) (agreement.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	r := agreement.Result{Case: c.Name, Release: release}
	tag := notInTags.ReplaceAllString(strings.ToLower(c.Name), "-") + "-" + release
	tag = strings.Trim(tag[max(0, len(tag)-100):], "-")
	ref, reference := c.Image+":"+tag, tag
	repo := path.Join(path.Base(path.Dir(c.Image)), path.Base(c.Image))
	if c.Digest {
		reference = agreement.ByDigest(repo, tag)
		ref = c.Image + "@" + reference
	}
	if err := w.tell("", new([]agreement.Event)); err != nil {
		return r, err
	}
	log := filepath.Join(d.dir, "log")
	before, err := os.Stat(log)
	if err != nil {
		return r, err
	}
	err = d.call(ctx, "ImageService/PullImage", &cri.PullImageRequest{Image: &cri.ImageSpec{Image: ref}}, &cri.PullImageResponse{})
	if ctx.Err() != nil {
		return r, fmt.Errorf("the pull does not end: %w\n%s", err, d.log())
	}
	var events []agreement.Event
	if err := w.tell("", &events); err != nil {
		return r, err
	}
	r.Pull = agreement.SeenOf(err == nil, events, reference)
	text, rerr := os.ReadFile(log)
	if rerr != nil {
		return r, rerr
	}
	r.Attempts = attempts(string(text[before.Size():]), "/"+repo+"/manifests/"+reference)

	cmd := exec.CommandContext(ctx, "nsenter", fmt.Sprintf("--target=%d", d.cmd.Process.Pid), "--mount", "--net", "--root", "--wd=/", "/usr/local/bin/tracer", release, ref, fmt.Sprint(d.cmd.Process.Pid))
	cmd.Env = []string{}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var tr trace.Trace
	if err := json.Unmarshal(out, &tr); err != nil {
		return r, err
	}
	events = nil
	if err := w.tell("", &events); err != nil {
		return r, err
	}
	r.Trace = agreement.SeenOf(tr.Verdict.Served, events, reference)
	r.Says = tr.Verdict.Text
	for _, h := range tr.Hosts {
		if h.Skipped == "" {
			r.Predicted = append(r.Predicted, h.URL)
		}
		r.Stopped = r.Stopped || h.Answer != nil && h.Answer.Then == trace.ThenStops
		layer := h.Content != nil && slices.ContainsFunc(h.Content.Steps, func(s trace.Step) bool { return s.Name == "layer" })
		if h.Answer != nil && h.Answer.Fault != "" && !layer {
			if u, err := url.Parse(h.URL); err == nil {
				r.Known = append(r.Known, u.Scheme+"://"+u.Host)
			}
		}
	}
	r.Predicted = r.Predicted[:min(len(r.Predicted), len(r.Attempts))]
	return r, nil
}

var doRequest = regexp.MustCompile(`msg="do request".*request\.method=HEAD.* url="?([^" ]+)`)

// attempts are the hosts that a log of containerd says are asked for a manifest, in order,
// each with the path below which its repositories are.
func attempts(log, manifest string) []string {
	var all []string
	for line := range strings.Lines(log) {
		m := doRequest.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		u, err := url.Parse(m[1])
		if err != nil {
			continue
		}
		before, ok := strings.CutSuffix(u.Path, manifest)
		if !ok {
			continue
		}
		at := u.Scheme + "://" + u.Host + before
		if len(all) == 0 || all[len(all)-1] != at {
			all = append(all, at)
		}
	}
	return slices.Clip(all)
}
