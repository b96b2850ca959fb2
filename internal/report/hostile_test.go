package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/terminal"
)

// evil is what a node may say in place of any word: it clears the screen, by the
// one-character sequence too, turns text around, begins a line and climbs folders.
const evil = "../../x\x1b[2J\u009b2J\r\nDone: 3 nodes changed.\u202e\u2066\u200b\x7f"

// everyWord sets every string of v, however deep, to evil.
func everyWord(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Pointer:
		if v.Type().Elem() == reflect.TypeFor[time.Location]() {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		everyWord(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				everyWord(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			everyWord(v.Index(i))
		}
	}
}

// views are all results that a reply can end up in.
func views(r *protocol.Reply) []interface{ Human(*Printer) } {
	var told *fleet.NodeError
	if r.Error != nil {
		told = &fleet.NodeError{Node: "node1", Kind: r.Error.Kind, Text: r.Error.Text, Hint: r.Error.Hint}
	}
	answer := fleet.Answer{Target: fleet.Target{Name: "node1"}, Reply: r, Err: told}
	run := fleet.Run{ID: "20260102T030405Z-0001", Command: "apply", Outcome: fleet.Partial, Reason: "x"}
	n := fleet.NodeRun{Name: "node1", Phase: fleet.Restored, Result: r.Result, UndoResult: r.Result, Error: told, UndoError: told}
	if r.Result != nil {
		n.Step = r.Result.Failed
	}
	run.Nodes = append(run.Nodes, n, fleet.NodeRun{Name: "node2", Phase: fleet.Applied, Result: r.Result})
	all := []interface{ Human(*Printer) }{
		NewPrepull("run", false, false, []fleet.Answer{answer}), NewPrepull("run", true, true, []fleet.Answer{answer}),
		NewVerify([]fleet.Answer{answer}), NewStatus([]fleet.Answer{answer}, nil), NewRun(&run), NewHistory([]*fleet.Run{&run}, nil),
		NewDoctor(NewDoctorAnswers([]fleet.Answer{answer}, nil)), NewDoctor(NewDoctorAnswers([]fleet.Answer{answer, answer}, nil)),
	}
	if r.Plan != nil || told != nil {
		all = append(all, NewPlan("default", "digest", []fleet.Planned{{Target: fleet.Target{Name: "node1"}, Plan: r.Plan, Err: told}}))
	}
	return all
}

// checkViews: no view of a reply drives the terminal it is shown on, and the JSON
// says the same as the values.
func checkViews(t *testing.T, r *protocol.Reply) {
	t.Helper()
	for _, v := range views(r) {
		for name, text := range map[string]string{"human": human(v), "JSON": jsonOf(t, v)} {
			for line := range strings.Lines(text) {
				if bad := strings.IndexFunc(strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", ""), "\ufffd", ""), terminal.Drives); bad >= 0 {
					t.Errorf("%T, %s: %q drives a terminal", v, name, line)
				}
			}
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, v); err != nil {
		return "" // a time out of range, which no view writes
	}
	if !json.Valid(b.Bytes()) {
		t.Errorf("not JSON: %q", b.Bytes())
	}
	return b.String()
}

func TestEveryWordOfANodeIsCleaned(t *testing.T) {
	var r protocol.Reply
	everyWord(reflect.ValueOf(&r).Elem())
	checkViews(t, &r)
	r.Error = nil
	checkViews(t, &r)
	r.Plan.Problems, r.Plan.Changes, r.Plan.Restart.Needed = nil, nil, false
	checkViews(t, &r)
	for i := range r.Result.Proofs {
		r.Result.Proofs[i].OK = true
	}
	checkViews(t, &r)

	var b bytes.Buffer
	for _, live := range []bool{false, true} {
		p := NewProgress(&b, live, true)
		p.WaveStarted(0, false, []string{"node1"})
		p.NodeStep("node1", protocol.Step(evil), evil)
		if !live {
			p.NodeEnded("node1", fleet.Phase(evil), &fleet.NodeError{Text: evil})
		}
		p.Close()
		left := strings.NewReplacer("\x1b[1A\x1b[2K", "", "\n", "").Replace(b.String())
		if bad := strings.IndexFunc(left, terminal.Drives); bad >= 0 {
			t.Errorf("live %v: %q drives a terminal", live, left)
		}
	}
}

func FuzzViews(f *testing.F) {
	var r protocol.Reply
	everyWord(reflect.ValueOf(&r).Elem())
	seed, _ := json.Marshal(r)
	f.Add(seed)
	seed, _ = json.Marshal(protocol.Reply{Plan: twoPlans().Nodes[0].Plan})
	f.Add(seed)
	seed, _ = json.Marshal(protocol.Reply{Error: &protocol.Error{Kind: protocol.ErrLocked, Text: "another run", Hint: "wait"}})
	f.Add(seed)
	f.Add([]byte(`{"plan":{"changes":[{"path":"/etc\u009bx","action":"create","diff":"+\u001b[2J\n-\u202ex\n"}],"restart":{"reasons":null}}}`))
	f.Add([]byte(`{"status":{"applied":{"at":"9999-12-31T23:59:59Z"},"files":[{"path":"\ud800","state":"gone"}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r protocol.Reply
		if json.Unmarshal(b, &r) != nil {
			return
		}
		checkViews(t, &r)
	})
}
