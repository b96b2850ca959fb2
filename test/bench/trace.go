package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

// traceTitle begins the part of the page about pullway trace.
const traceTitle = "## A trace beside a pull\n"

// traceRounds is how many pulls and traces there are for each round that is asked for:
// each takes milliseconds.
const traceRounds = 7

// tracePart is what was measured of pullway trace, by release.
type tracePart struct {
	releases []traceTimes
	took     time.Duration
}

// traceTimes are the times of one release: of a pull's resolve as containerd's log has it,
// of the trace's question for the manifest, and of all that the trace asks.
type traceTimes struct {
	release              string
	resolve, name, whole []time.Duration
}

// measureTrace pulls and traces one healthy image in turn.
func measureTrace(ctx context.Context, o options) (p tracePart, err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "pullway-bench-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	b := &bench{options: o, dir: dir, began: began}
	if b.pullway, err = filepath.Abs("bin/pullway"); err != nil {
		return p, err
	}
	var nodes []lab.NodeSpec
	for i, r := range []string{release, "2.4.2"} {
		table := map[bool]string{true: "io.containerd.cri.v1.images", false: "io.containerd.grpc.v1.cri"}[strings.HasPrefix(r, "2.")]
		config := lab.DefaultContainerdConfig(r) + fmt.Sprintf("\n[plugins.%q.registry]\n  config_path = \"/etc/containerd/certs.d\"\n[debug]\n  level = \"debug\"\n", table)
		nodes = append(nodes, lab.NodeSpec{Name: fmt.Sprintf("node%d", i+1), Containerd: r, Config: config})
	}
	if b.lab, err = lab.Up(ctx, lab.Config{Dir: filepath.Join(dir, "lab"), Nodes: nodes}, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		return p, err
	}
	defer func() {
		if e := b.lab.Down(); err == nil {
			err = e
		}
	}()
	for i, n := range b.lab.Nodes() {
		t := traceTimes{release: nodes[i].Containerd}
		if err := b.traceOn(ctx, n, &t); err != nil {
			return p, fmt.Errorf("%s: %w", n.Name, err)
		}
		p.releases = append(p.releases, t)
	}
	p.took = time.Since(began)
	return p, nil
}

func (b *bench) traceOn(ctx context.Context, n *lab.Node, t *traceTimes) error {
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(robot.user+":"+robot.password))
	file := fmt.Sprintf("server = \"http://%s\"\n[header]\nAuthorization = %q\n[host]\n", registry, header)
	if _, err := n.Exec(ctx, "mkdir -p /etc/containerd/certs.d/"+registry); err != nil {
		return err
	}
	if err := n.WriteFile(ctx, "/etc/containerd/certs.d/"+registry+"/hosts.toml", []byte(file), 0o600); err != nil {
		return err
	}
	for i := range b.rounds*traceRounds + 1 {
		if err := n.CRIRemove(ctx, image); err != nil {
			return err
		}
		if _, err := n.CRIPull(ctx, image); err != nil {
			return err
		}
		name, whole, err := b.traceOnce(ctx, n)
		if err != nil {
			return err
		}
		if i > 0 { // the first one puts the engine on the node
			t.name, t.whole = append(t.name, name), append(t.whole, whole)
		}
	}
	log, err := n.Journal(ctx, "containerd")
	if err != nil {
		return err
	}
	t.resolve = resolves(log)
	if len(t.resolve) != len(t.name)+1 {
		return fmt.Errorf("containerd's log has %d resolves of %d pulls", len(t.resolve), len(t.name)+1)
	}
	t.resolve = t.resolve[1:]
	b.say("containerd %s: resolve %s, trace %s and %s", t.release, middle(t.resolve), middle(t.name), middle(t.whole))
	return nil
}

func (b *bench) traceOnce(ctx context.Context, n *lab.Node) (name, whole time.Duration, err error) {
	_, out, err := b.timed(ctx, "pullway trace on "+n.Name, func(ctx context.Context) *exec.Cmd {
		cmd := b.lab.Command(ctx, b.pullway, "trace", image, "-q", "-o", "json", "-i", b.lab.Inventory(), "--known-hosts", b.lab.KnownHosts(), "--limit", n.Name)
		cmd.Env = append(os.Environ(), "PULLWAY_STATE_DIR="+filepath.Join(b.dir, "state"))
		return cmd
	})
	if err != nil {
		return 0, 0, err
	}
	var t report.Trace
	if err := json.Unmarshal([]byte(out), &t); err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	if t.Summary.Served != 1 || len(t.Nodes[0].Trace.Hosts) != 1 || t.Nodes[0].Trace.Hosts[0].Content == nil {
		return 0, 0, fmt.Errorf("the image is not served: %s", out)
	}
	h := t.Nodes[0].Trace.Hosts[0]
	return h.Answer.Took, h.Answer.Took + h.Content.Took, nil
}

var resolveLine = regexp.MustCompile(`time="([^"]+)" level=debug msg=(resolving|resolved) .*host="?([^"\s]+)`)

// resolves are the times between containerd's words resolving and resolved.
func resolves(log string) (all []time.Duration) {
	var began time.Time
	for line := range strings.Lines(log) {
		m := resolveLine.FindStringSubmatch(line)
		if m == nil || m[3] != registry {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m[1])
		switch {
		case err != nil:
		case m[2] == "resolving":
			began = at
		case !began.IsZero():
			all, began = append(all, at.Sub(began)), time.Time{}
		}
	}
	return all
}

func (p tracePart) text() string {
	var b strings.Builder
	b.WriteString(traceTitle)
	fmt.Fprintf(&b, `
Made by `+"`make bench-trace`"+` on %s, in %s, on one machine with %d cores and %s (%s): on a node of each release an image is pulled
and traced in turn, %d times, from a registry with a password. A resolve is the time between containerd's own words "resolving" and "resolved" in its log, connection and
all. Medians.
`, time.Now().UTC().Format(time.DateOnly), p.took.Round(time.Second), runtime.NumCPU(), memory(), cpu(), len(p.releases[0].name))
	writeRows(&b, p.rows())
	return b.String()
}

func (p tracePart) rows() (rows []row) {
	for _, t := range p.releases {
		resolve := middle(t.resolve)
		against := fmt.Sprintf("the pull's own resolve, %.1f ms", milliseconds(resolve))
		of := func(id, what string, took time.Duration, g goal) row {
			ratio := float64(took) / float64(resolve)
			return row{id: id + "-" + t.release, what: what + ", containerd " + t.release, value: fmt.Sprintf("%.1f ms", milliseconds(took)), against: against, ratio: ratio, goal: g, figure: ratio}
		}
		rows = append(rows, of("trace-name", "`trace` of a healthy image: the question that a resolve asks", middle(t.name), atMost(1, "at most 1")),
			of("trace-whole", "the same with the manifest's content and the first layer's first byte", middle(t.whole), goal{}))
	}
	return rows
}

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }
