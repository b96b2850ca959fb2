package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := make([]int, 200)
		for i := range items {
			items[i] = i
		}
		var now, most atomic.Int32
		got := Each(t.Context(), items, 7, func(_ context.Context, i int) string {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Duration(200-i) * time.Millisecond)
			now.Add(-1)
			return fmt.Sprint(i)
		})
		for i, s := range got {
			if s != fmt.Sprint(i) {
				t.Fatalf("result %d is %q", i, s)
			}
		}
		if most.Load() != 7 {
			t.Errorf("%d at once, want 7", most.Load())
		}
		if none := Each(t.Context(), nil, 0, func(context.Context, int) int { return 1 }); len(none) != 0 {
			t.Errorf("results of nothing: %v", none)
		}
	})
}

func TestPlanKeepsToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(300, 0)
		f := newFakeFleet(all, map[string]fault{"w7": asDesired, "w8": planRefused, "w9": noWay})
		begin := time.Now()
		plans, err := (&Planner{Connector: f}).Plan(t.Context(), all, protocol.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if f.mostTalk > DefaultLimit || f.mostTalk < DefaultLimit-1 { // one has no line
			t.Errorf("%d conversations at once, want %d", f.mostTalk, DefaultLimit)
		}
		if took := time.Since(begin); took > 5*2*f.latency {
			t.Errorf("300 nodes took %s", took)
		}
		if f.open != 297 {
			t.Errorf("%d connections are open, want those of the 297 nodes with something to do", f.open)
		}
		want := map[string]Phase{"w6": Pending, "w7": Unchanged, "w8": Refused, "w9": Unreachable}
		for _, p := range plans.Nodes {
			if phase, ok := want[p.Target.Name]; ok && p.Phase() != phase {
				t.Errorf("node %s is %q, want %q", p.Target.Name, p.Phase(), phase)
			}
		}
		if err := plans.Nodes[7].Err; err.Kind != protocol.ErrRefused || err.Hint != "set it to process" {
			t.Errorf("error of the refused plan: %+v", err)
		}
		if err := plans.Nodes[8].Err; err.Kind != ErrUnreachable || strings.ContainsAny(err.Text, "\r\n") {
			t.Errorf("error of the unreachable node: %+v", err)
		}
		if err := errors.Join(plans.Close(), plans.Close()); err != nil || f.open != 0 {
			t.Errorf("%d connections left open, %v", f.open, err)
		}
	})
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(3, 0)
		f := newFakeFleet(all, map[string]fault{"w2": noWay})
		got := Ask(t.Context(), f, all, protocol.Request{Op: protocol.OpStatus}, 0, 0, nil)
		for i, a := range got {
			if a.Target.Name != all[i].Name {
				t.Errorf("answer %d is of %q", i, a.Target.Name)
			}
			if (a.Err != nil) != (a.Target.Name == "w2") || a.Err == nil && !a.Reply.Status.Healthy {
				t.Errorf("answer of %s: %+v", a.Target.Name, a)
			}
		}
		if f.open != 0 {
			t.Errorf("%d connections left open", f.open)
		}
	})
}

type hintError struct{ error }

func (hintError) Hint() string { return "run ssh-keyscan\x1b[31m" }

func TestNodeError(t *testing.T) {
	cause := hintError{errors.New("host key of w1\nchanged\x1b[2J")}
	e := newNodeError("w1", ErrUnreachable, fmt.Errorf("ssh: %w", cause))
	if e.Text != "ssh: host key of w1 changed [2J" || e.Hint != "run ssh-keyscan [31m" || !errors.Is(e, cause) {
		t.Errorf("%q, hint %q", e.Text, e.Hint)
	}
	if long := newNodeError("w1", ErrUnreachable, errors.New(strings.Repeat("ä", 1<<20))); len(long.Text) > maxText+10 {
		t.Errorf("the text has %d bytes", len(long.Text))
	}
	if fromEngine("w1", nil) != nil {
		t.Error("an error of nothing")
	}
}
