package node

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// clock notes when a hosts.toml was last renamed into its place, and when the
// first file was taken out of a host directory that stays.
type clock struct {
	hosts          string
	named, removed time.Time
}

func (c *clock) watch(op, path string) error {
	inHost := filepath.Dir(filepath.Dir(path)) == c.hosts && !strings.HasPrefix(filepath.Base(filepath.Dir(path)), stagePrefix)
	switch {
	case op == "rename" && inHost && filepath.Base(path) == "hosts.toml":
		c.named = time.Now()
	case op == "unlink" && inHost && !strings.HasPrefix(filepath.Base(path), ".") && exists(path) && c.removed.IsZero():
		c.removed = time.Now()
	}
	return nil
}

// A pull that has read hosts.toml finds the certificates that it names, whichever
// way the node goes.
func TestFilesLingerForPullsInFlight(t *testing.T) {
	const linger = time.Minute
	lingering := func(b *bench, changes []plan.Change, id string, c *clock) *transaction {
		tr := b.calmTransaction(changes, id, c.watch)
		tr.linger = linger
		return tr
	}
	check := func(t *testing.T, c clock) {
		t.Helper()
		if c.named.IsZero() || c.removed.IsZero() {
			t.Fatalf("nothing to see: %+v", c)
		}
		if d := c.removed.Sub(c.named); d < linger {
			t.Errorf("a file went %v after hosts.toml named it no more", d)
		}
	}
	t.Run("apply and rollback", func(t *testing.T) {
		b, changes := calmBench(t)
		var tr *transaction
		synctest.Test(t, func(t *testing.T) {
			c := clock{hosts: b.hosts()}
			tr = lingering(b, changes, "20260101T000000.000Z-0001", &c)
			if _, err := tr.run(context.Background()); err != nil {
				t.Fatal(err)
			}
			check(t, c)
		})
		if err := b.store.loadBackup(tr.record); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			c := clock{hosts: b.hosts()}
			back := lingering(b, nil, "20260101T000001.000Z-0001", &c)
			back.probe, back.prove = nil, nil
			if err := reverseItems(back.record, tr.record, b.hosts()); err != nil {
				t.Fatal(err)
			}
			if _, err := back.run(context.Background()); err != nil {
				t.Fatal(err)
			}
			check(t, c)
		})
		if d := b.isOld(); d != "" {
			t.Error(d)
		}
	})
	t.Run("undo", func(t *testing.T) {
		b, changes := calmBench(t)
		synctest.Test(t, func(t *testing.T) {
			c := clock{hosts: b.hosts()}
			tr := lingering(b, changes, "20260101T000000.000Z-0001", &c)
			tr.confirm = func(context.Context) error { c.named, c.removed = time.Time{}, time.Time{}; return errNotConfirmed }
			if res, err := tr.run(context.Background()); err == nil || res.Outcome != protocol.OutcomeRestored {
				t.Fatalf("run = %+v, %v", res, err)
			}
			check(t, c)
		})
		if d := b.isOld(); d != "" {
			t.Error(d)
		}
	})
	t.Run("taken back while it waits", func(t *testing.T) {
		b, changes := calmBench(t)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			tr := lingering(b, changes, "20260101T000000.000Z-0001", &clock{hosts: b.hosts()})
			tr.tell = func(s protocol.Step, _ string) {
				if s == protocol.StepLinger {
					cancel(errTakenBack)
				}
			}
			if res, err := tr.run(ctx); err == nil || res.Outcome != protocol.OutcomeRestored || res.Failed != protocol.StepLinger {
				t.Fatalf("run = %+v, %v", res, err)
			}
		})
		if d := b.isOld(); d != "" {
			t.Error(d)
		}
	})
	t.Run("nothing goes", func(t *testing.T) {
		b, changes := calmBench(t)
		changes = slices.DeleteFunc(changes, func(c plan.Change) bool { return c.Action == plan.Delete })
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			if _, err := lingering(b, changes, "20260101T000000.000Z-0001", &clock{hosts: b.hosts()}).run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 0 {
				t.Errorf("it waited %v for nothing", took)
			}
		})
	})
}
