package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

const evilWord = "../../x\x1b[2J\u009b2J\r\nDone: 3 nodes changed.\u202e\x7f"

// TestHostileNodeApply: a node that plans well and then, when it is changed, says
// whatever it likes. The other node is changed, the record can be read again and
// is small, and nothing is written but below the state folder.
func TestHostileNodeApply(t *testing.T) {
	huge := func(n int) *protocol.Result {
		r := &protocol.Result{Outcome: protocol.OutcomeApplied, Transaction: evilWord}
		for range n {
			r.Changed = append(r.Changed, evilWord)
			r.Warnings = append(r.Warnings, plan.Notice{ID: evilWord, Text: evilWord, Hint: evilWord})
			r.Proofs = append(r.Proofs, protocol.Proof{Image: evilWord, OK: true, Endpoints: []string{evilWord}, ByName: evilWord})
		}
		return r
	}
	for _, tc := range []struct {
		name  string
		apply func(in *bufio.Reader, out io.Writer)
		phase fleet.Phase
		says  string
	}{
		{"a result of megabytes", func(_ *bufio.Reader, out io.Writer) {
			say(out, protocol.Message{Reply: &protocol.Reply{Result: huge(5000)}})
		}, fleet.Applied, ""},
		{"output without end after the reply", func(_ *bufio.Reader, out io.Writer) {
			say(out, protocol.Message{Reply: &protocol.Reply{Result: huge(1)}})
			many(out, "more and more\n", forEver)
		}, fleet.Applied, ""},
		{"the result of a rollback", func(_ *bufio.Reader, out io.Writer) {
			say(out, protocol.Message{Reply: &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeRolledBack}}})
		}, fleet.Lost, "outcome"},
		{"a plan in place of a result", func(_ *bufio.Reader, out io.Writer) {
			say(out, protocol.Message{Reply: &protocol.Reply{Plan: &plan.Node{Fingerprint: "f"}}})
		}, fleet.Lost, "no result"},
		{"a stale plan: it is no longer as it was planned", func(_ *bufio.Reader, out io.Writer) {
			say(out, protocol.Message{Reply: &protocol.Reply{Error: &protocol.Error{Kind: protocol.ErrStale, Text: "the node changed since the plan"}}})
		}, fleet.Refused, "changed since the plan"},
		{"a line without end", func(_ *bufio.Reader, out io.Writer) { many(out, "x", forEver) }, fleet.Lost, "too long"},
		{"a million questions for a confirmation", func(_ *bufio.Reader, out io.Writer) {
			many(out, `{"event":{"step":"proven"}}`+"\n", 1_000_000)
		}, fleet.Lost, "more than an engine"},
		{"locked for ever", func(_ *bufio.Reader, out io.Writer) {
			say(out, protocol.Message{Reply: &protocol.Reply{Error: &protocol.Error{Kind: protocol.ErrLocked, Text: evilWord}}})
		}, fleet.Refused, "Done"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			evil := startNode(t, func(req protocol.Request, in *bufio.Reader, out, errs io.Writer) {
				if req.Op == protocol.OpPlan {
					honest(req, in, out, errs)
					return
				}
				tc.apply(in, out)
			})
			c := newCommand(t, []*node{evil}, startNode(t, honest))
			before := everything(t, c.dir)
			_, out, _, peak := c.run(60*time.Second, "apply", "-f", filepath.Join(c.dir, "spec.yaml"), "--no-preflight", "--yes")
			if peak > 100<<20 {
				t.Errorf("%d MB", peak>>20)
			}
			runs, damaged, err := record.Store{Dir: filepath.Join(c.dir, "state")}.List(0)
			if err != nil || len(damaged) > 0 || len(runs) != 1 {
				t.Fatalf("%d runs, %v, %v", len(runs), damaged, err)
			}
			if got := runs[0].Nodes; got[0].Phase != tc.phase || got[1].Phase != fleet.Applied {
				t.Errorf("evil1 %q, want %q; honest1 %q: %.1000s", got[0].Phase, tc.phase, got[1].Phase, out)
			}
			if tc.says != "" && !strings.Contains(out, tc.says) {
				t.Errorf("nothing says %q: %.1000s", tc.says, out)
			}
			path := filepath.Join(c.dir, "state", "runs", runs[0].ID, "run.json")
			if st, err := os.Stat(path); err != nil || st.Size() > 1<<20 {
				t.Errorf("the record has %d bytes, %v", st.Size(), err)
			}
			for p := range everything(t, c.dir) {
				if !before[p] && !strings.HasPrefix(p, filepath.Join(c.dir, "state")) {
					t.Errorf("%s was written", p)
				}
			}
			if _, out, _, _ := c.plain("history", runs[0].ID); out == "" {
				t.Error("history says nothing")
			}
		})
	}
}

// plain runs a command without nodes.
func (c *command) plain(args ...string) (int, string, string, uint64) {
	var o, e strings.Builder
	code := Run(c.t.Context(), args, Streams{In: strings.NewReader(""), Out: &o, Err: &e}, nil)
	return code, o.String(), e.String(), 0
}

func everything(t *testing.T, dir string) map[string]bool {
	all := map[string]bool{}
	if err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error { all[p] = true; return err }); err != nil {
		t.Error(err)
	}
	return all
}

// TestHostileFleet: when most nodes send as much as they may, what is held stays
// within the budget, and nodes that say what nodes say are planned.
func TestHostileFleet(t *testing.T) {
	const budget = 32 << 20
	big := planReply(`"changes":[{"path":"/x"`+strings.Repeat(`},{"path":"/x"`, 40_000)+`}],`, `"interrupted":"`+strings.Repeat("x", 5<<20)+`"`)
	var hostile []*node
	for range 12 {
		hostile = append(hostile, startNode(t, func(_ protocol.Request, _ *bufio.Reader, out, _ io.Writer) { _, _ = io.WriteString(out, big) }))
	}
	c := newCommand(t, hostile, startNode(t, honest), startNode(t, honest))
	c.limits.budget = budget
	c.limits.timeouts.Plan = time.Minute // no node is slow here, though the machine may be
	_, out, _, peak := c.run(60*time.Second, "plan", "-f", filepath.Join(c.dir, "spec.yaml"), "--no-preflight", "-o", "json", "-q")
	var got struct {
		Nodes []struct {
			Name  string
			Plan  *struct{ Fingerprint string }
			Error *fleet.NodeError
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, n := range got.Nodes {
		if n.Error != nil && strings.Contains(n.Error.Text, "together with those of other nodes") {
			refused++
		} else if strings.HasPrefix(n.Name, "evil") {
			t.Logf("%s: %v, planned: %v", n.Name, n.Error, n.Plan != nil)
		}
		if strings.HasPrefix(n.Name, "honest") && n.Plan == nil {
			t.Errorf("%s was not planned: %v", n.Name, n.Error)
		}
	}
	if refused < 6 {
		t.Errorf("%d of %d answers of %d MB were refused with a budget of %d MB", refused, len(hostile), len(big)>>20, budget>>20)
	}
	// SSH's own windows, the garbage between two collections and the JSON view count too.
	if peak > 8*budget {
		t.Errorf("%d MB", peak>>20)
	}
}

// TestHostileAnswers: the questions that change nothing.
func TestHostileAnswers(t *testing.T) {
	words := func(n int) []string {
		var all []string
		for range n {
			all = append(all, evilWord)
		}
		return all
	}
	for _, tc := range []struct {
		command string
		reply   protocol.Reply
		code    int
		says    string
	}{
		{"verify", protocol.Reply{}, ExitPending, "0 proofs for 1 images"},
		{"verify", protocol.Reply{Proofs: []protocol.Proof{{Image: "192.168.21.9/library/other:v1", OK: true}}}, ExitPending, "where one of"},
		{"verify", protocol.Reply{Proofs: []protocol.Proof{{Image: "192.168.21.9/library/app:v1", OK: true, Endpoints: words(1000), ByName: evilWord, Digest: evilWord}}}, ExitDone, "Every image was pulled"},
		{"status", protocol.Reply{}, ExitFailed, "no status"},
		{"status", protocol.Reply{Status: &protocol.Status{Health: evilWord, Busy: evilWord, Facts: plan.Facts{Release: evilWord, ConfigPath: evilWord, ConfigPathNote: evilWord},
			Applied: &protocol.Transaction{Name: evilWord, Run: evilWord}, Files: []plan.FileState{{Path: evilWord, State: evilWord}}, Interrupted: &protocol.Transaction{ID: evilWord}}}, ExitDone, "not healthy"},
	} {
		for _, output := range []string{"human", "json"} {
			t.Run(tc.command+" "+output, func(t *testing.T) {
				evil := startNode(t, func(_ protocol.Request, _ *bufio.Reader, out, _ io.Writer) {
					say(out, protocol.Message{Reply: &tc.reply})
				})
				c := newCommand(t, []*node{evil}, startNode(t, honest))
				args := []string{tc.command, "-o", output}
				if tc.command == "verify" {
					args = append(args, "-f", filepath.Join(c.dir, "spec.yaml"), "--no-preflight")
				}
				code, out, _, _ := c.run(20*time.Second, args...)
				if code != tc.code || output == "human" && !strings.Contains(out, tc.says) {
					t.Errorf("exit code %d, want %d with %q: %.600s", code, tc.code, tc.says, out)
				}
			})
		}
	}
}

// TestHostileImport: import writes what a node says into files of the operator.
func TestHostileImport(t *testing.T) {
	endpoint := func(url string, ca []byte) protocol.Export {
		return protocol.Export{Registries: []protocol.ExportRegistry{{Host: "r.example.com", Endpoints: []protocol.ExportEndpoint{{URL: url, CA: ca}}}}}
	}
	var thousands protocol.Export
	for i := range 3000 {
		e := endpoint("https://r.example.com", []byte(fmt.Sprintf("-----BEGIN CERTIFICATE-----\n%d", i)))
		thousands.Registries = append(thousands.Registries, e.Registries...)
	}
	for _, tc := range []struct {
		name    string
		refused bool
		says    string
		export  protocol.Export
	}{
		{"words that drive a terminal or climb folders", true, "not to be seen", protocol.Export{Warnings: []plan.Notice{{Text: evilWord, Hint: evilWord}}, Registries: []protocol.ExportRegistry{{
			Host: evilWord, Fallback: evilWord, Username: evilWord, HasPassword: true, Source: evilWord, Endpoints: []protocol.ExportEndpoint{{
				URL: "https://" + evilWord, Capabilities: []string{evilWord}, DialTimeout: evilWord, HeaderNames: []string{evilWord}, HasClientKey: true}}}}}},
		{"text around: a host that reads as another", true, "not to be seen", protocol.Export{Registries: []protocol.ExportRegistry{{Host: "moc.elpmaxe.\u202eharbor", Fallback: "none", Endpoints: []protocol.ExportEndpoint{{URL: "https://a"}}}}}},
		{"a shell script for a certificate", false, "no PEM certificate", endpoint("https://r.example.com", []byte("#!/bin/sh\nrm -rf /\n"))},
		{"a megabyte for a certificate", false, "no PEM certificate", endpoint("https://r.example.com", make([]byte, 1<<20))},
		{"thousands of certificates", false, "no PEM certificate", thousands},
	} {
		t.Run(tc.name, func(t *testing.T) {
			evil := startNode(t, func(_ protocol.Request, _ *bufio.Reader, out, _ io.Writer) {
				say(out, protocol.Message{Reply: &protocol.Reply{Export: &tc.export}})
			})
			c := newCommand(t, []*node{evil})
			files := filepath.Join(c.dir, "files")
			before := everything(t, c.dir)
			code, out, errs, _ := c.run(20*time.Second, "import", "--from", "node", "--files", files)
			if tc.refused && (code == 0 || out != "") || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d, %.300q, want %q: %.600q", code, out, tc.says, errs)
			}
			for p := range everything(t, c.dir) {
				if !before[p] {
					t.Errorf("%s was written", p)
				}
			}
		})
	}
}
