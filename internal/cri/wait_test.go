package cri

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var both = Baseline{Conditions: []string{"NetworkReady", "RuntimeReady"}}

func TestWaitHealthyAtOnce(t *testing.T) {
	h, gap, err := newFake().client(t).WaitHealthy(t.Context(), both, time.Second)
	if err != nil || gap != 0 || !h.RuntimeReady {
		t.Errorf("got %+v, %s, %v; no gap when all is well", h, gap, err)
	}
}

// After a start CRI answers Unavailable, then comes up without its network, and
// only then is as it was.
func TestWaitHealthyThroughAStart(t *testing.T) {
	f := newFake()
	f.status = func() (*runtimeapi.StatusResponse, error) {
		switch f.calls["Status"] {
		case 1:
			return nil, status.Error(codes.Unavailable, "server is not initialized yet")
		case 2:
			return nil, status.Error(codes.Unavailable, "something else")
		case 3:
			return conditions(true, false), nil
		}
		return conditions(true, true), nil
	}
	_, gap, err := f.client(t).WaitHealthy(t.Context(), both, 5*time.Second)
	if err != nil || gap < 2*pollFirst || f.calls["Status"] != 4 {
		t.Errorf("gap %s after %d questions, %v", gap, f.calls["Status"], err)
	}
}

func TestWaitHealthySocketAppearsLate(t *testing.T) {
	f, socket := newFake(), socketPath(t)
	c := dial(t, socket)
	go func() {
		time.Sleep(300 * time.Millisecond)
		f.serve(t, socket)
	}()
	_, gap, err := c.WaitHealthy(t.Context(), both, 5*time.Second)
	if err != nil || gap < 300*time.Millisecond || gap > 2*time.Second {
		t.Errorf("gap %s, %v; a late socket must be found soon", gap, err)
	}
}

func TestWaitHealthyGivesUp(t *testing.T) {
	within := 2 * time.Second // a busy machine answers late, too
	for name, c := range map[string]struct {
		client func(*testing.T) *Client
		text   string
	}{
		"away": {func(t *testing.T) *Client { return dial(t, socketPath(t)) }, "no daemon answers on the socket"},
		"mute": {func(t *testing.T) *Client {
			// It takes the connection and never says a word.
			socket := socketPath(t)
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return dial(t, socket)
		}, "the socket took the question and gave no answer"},
		"network-lost": {func(t *testing.T) *Client {
			f := newFake()
			f.status = func() (*runtimeapi.StatusResponse, error) { return conditions(true, false), nil }
			return f.client(t)
		}, "before the change it was true: NetworkReady is false: NetworkPluginNotReady: cni plugin not initialized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, _, err := c.client(t).WaitHealthy(t.Context(), both, within)
			ue, ok := errors.AsType[*UnhealthyError](err)
			if !ok || !strings.Contains(ue.Text, c.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, c.text)
			}
			if took := time.Since(start); took < within || took > within+20*time.Second {
				t.Errorf("gave up after %s, want %s", took, within)
			}
		})
	}
}

func TestWaitHealthyDoesNotWaitForACRIThatCannotCome(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.noCRI = true
	start := time.Now()
	h, _, err := f.client(t).WaitHealthy(t.Context(), both, time.Minute)
	took := time.Since(start)
	if _, ok := errors.AsType[*UnhealthyError](err); !ok || !h.CRIMissing || took < missingFor || took > missingFor+20*time.Second {
		t.Errorf("after %s: %+v, %v", took, h, err)
	}
}

func TestWaitHealthyCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, _, err := dial(t, socketPath(t)).WaitHealthy(ctx, both, time.Minute)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestWatch(t *testing.T) {
	f, socket := newFake(), socketPath(t)
	stop := f.serve(t, socket)
	c := dial(t, socket)
	if _, _, err := c.WaitHealthy(t.Context(), both, time.Second); err != nil {
		t.Fatal(err)
	}
	ended := c.Watch(t.Context())
	stop()
	time.Sleep(200 * time.Millisecond)
	f.serve(t, socket)
	if _, _, err := c.WaitHealthy(t.Context(), both, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	// The watch asks on its own; wait until it, too, has seen the new daemon.
	f.mu.Lock()
	asked := f.calls["Status"]
	f.mu.Unlock()
	for range 100 {
		f.mu.Lock()
		now := f.calls["Status"]
		f.mu.Unlock()
		if now >= asked+3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	gap := ended()
	if gap < 200*time.Millisecond || gap > 3*time.Second {
		t.Errorf("gap %s, want a little over 200 ms", gap)
	}
	if again := ended(); again != gap {
		t.Errorf("the second call says %s, the first %s", again, gap)
	}
	quiet := c.Watch(t.Context())
	if gap := quiet(); gap != 0 {
		t.Errorf("gap %s though nothing happened", gap)
	}
}
