package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

func (c *fakeCRI) DropUnder(_ context.Context, host string) error {
	c.dropped = append(c.dropped, host)
	return c.dropErr
}

func (c *fakeCRI) Containers(context.Context) ([]cri.Container, error) { return c.containers, nil }

func (c *fakeCRI) Ending(_ context.Context, id string) (cri.Ending, bool, error) {
	end, there := c.endings[id]
	return end, there, nil
}

func TestRestartLeavesContainersAlone(t *testing.T) {
	running := func(id string, pid uint32) cri.Container {
		return cri.Container{ID: id, Name: "default/web-" + id + "/app", State: cri.Running, Pid: pid, PodPid: pid + 1000}
	}
	some := []cri.Container{running("a", 11), running("b", 12)}
	exited := func(reason string) map[string]cri.Ending {
		return map[string]cri.Ending{"a": {State: "exited", At: time.Now().Add(time.Hour), Reason: reason}}
	}
	cases := map[string]struct {
		after   []cri.Container
		endings map[string]cri.Ending
		gone    []int
		mayLose bool
		outcome protocol.Outcome
		kept    int
		names   []string
	}{
		"all run on":                 {some, nil, nil, false, protocol.OutcomeApplied, 2, nil},
		"one was started anew":       {[]cri.Container{running("a", 99), some[1]}, map[string]cri.Ending{"a": {State: cri.Running}}, []int{11}, false, protocol.OutcomeRestored, 1, []string{"default/web-a/app"}},
		"nobody saw its end":         {some[1:], exited(cri.EndedUnknown), []int{11}, false, protocol.OutcomeApplied, 1, nil},
		"nor that of its pod":        {some[1:], exited(cri.EndedUnknown), []int{11, 1011}, false, protocol.OutcomeRestored, 1, []string{"default/web-a/app"}},
		"its pod's sandbox died too": {some[1:], exited("Error"), []int{11, 1011}, false, protocol.OutcomeRestored, 1, []string{"default/web-a/app"}},
		"it ended by itself":         {some[1:], exited("Completed"), []int{11}, false, protocol.OutcomeApplied, 1, nil},
		"it was removed as asked":    {some[1:], nil, []int{11, 1011}, false, protocol.OutcomeApplied, 1, nil},
		"forced":                     {some[1:], exited(cri.EndedUnknown), []int{11, 1011}, true, protocol.OutcomeApplied, 1, []string{"default/web-a/app"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.cri.containers = some
			tr := b.transaction(nil)
			tr.mayLose = tc.mayLose
			tr.processStart = func(pid int) uint64 {
				if b.daemon.restarts > 0 && slices.Contains(tc.gone, pid) {
					return 0
				}
				return uint64(pid)
			}
			// The clock goes on by two hours in a restart, so that ends lie within it, and
			// by a second each time it is looked at, so that nothing waits.
			looks := 0
			tr.now = func() time.Time {
				looks++
				return time.Now().Add(time.Duration(b.daemon.restarts)*2*time.Hour + time.Duration(looks)*time.Second)
			}
			b.daemon.onRestart = func() { b.cri.containers, b.cri.endings = tc.after, tc.endings }
			res, err := tr.run(t.Context())
			if res.Outcome != tc.outcome || (err != nil) != (tc.outcome == protocol.OutcomeRestored) {
				t.Fatalf("run = %+v, %v", res, err)
			}
			if tc.outcome == protocol.OutcomeApplied && res.Kept != tc.kept {
				t.Errorf("kept %d, want %d", res.Kept, tc.kept)
			}
			said := fmt.Sprint(err)
			for _, w := range res.Warnings {
				said += w.Text
			}
			if strings.Contains(said, errWorkloads.Error()) != (len(tc.names) > 0) {
				t.Errorf("said %q", said)
			}
			for _, n := range tc.names {
				if !strings.Contains(said, n) {
					t.Errorf("%q is not named in %q", n, said)
				}
			}
			if err != nil && b.isOld() != "" {
				t.Error(b.isOld())
			}
		})
	}
}

func TestFateOf(t *testing.T) {
	from := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	to := from.Add(time.Second)
	within := from.Add(500 * time.Millisecond)
	cases := []struct {
		reason          string
		end             cri.Ending
		lives, podLives bool
		want            fate
	}{
		{"it ended before", cri.Ending{State: "exited", At: from.Add(-time.Millisecond), Reason: "Error"}, false, false, itself},
		{"it was stopped afterwards, with its pod", cri.Ending{State: "exited", At: to.Add(time.Millisecond), Reason: "Error"}, false, false, itself},
		{"its shim saw it end, its pod runs", cri.Ending{State: "exited", At: within, Reason: "Completed"}, false, true, itself},
		{"its shim saw it fail, its pod runs", cri.Ending{State: "exited", At: within, ExitCode: 137, Reason: "Error"}, false, true, itself},
		{"nobody saw it end, its pod runs", cri.Ending{State: "exited", At: within, ExitCode: 255, Reason: cri.EndedUnknown}, false, true, doubtful},
		{"nobody saw it end, nor its pod", cri.Ending{State: "exited", At: within, ExitCode: 255, Reason: cri.EndedUnknown}, false, false, lost},
		{"killed together with its pod", cri.Ending{State: "exited", At: within, ExitCode: 137, Reason: "Error"}, false, false, lost},
		{"it runs and CRI takes it for ended", cri.Ending{State: "exited", At: within, Reason: cri.EndedUnknown}, true, true, lost},
		{"CRI does not know how it is", cri.Ending{State: "unknown"}, false, true, lost},
		{"started anew", cri.Ending{State: cri.Running}, false, true, lost},
	}
	for _, tc := range cases {
		if got := fateOf(tc.end, tc.lives, tc.podLives, from, to); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.reason, got, tc.want)
		}
	}
}

func TestSeveralDoubtfulAreLost(t *testing.T) {
	for _, tc := range []struct {
		doubtful []string
		of       int
		lost     int
	}{{[]string{"a"}, 1, 0}, {[]string{"a", "b"}, 2, 2}, {[]string{"a", "b"}, 4, 2}, {[]string{"a", "b"}, 5, 0}, {nil, 0, 0}} {
		f := fates{doubtful: tc.doubtful}.judged(tc.of)
		if len(f.lost) != tc.lost || len(f.lost)+len(f.doubtful) != len(tc.doubtful) {
			t.Errorf("%v of %d: %+v", tc.doubtful, tc.of, f)
		}
	}
}

func TestSomeOf(t *testing.T) {
	for want, names := range map[string][]string{"a": {"a"}, "a, b, c": {"a", "b", "c"}, "a, b, c and 2 more": {"a", "b", "c", "d", "e"}} {
		if got := someOf(names); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
