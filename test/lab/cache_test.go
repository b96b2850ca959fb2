package lab

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestCacheEntry(t *testing.T) {
	c := cache{dir: filepath.Join(t.TempDir(), "cache"), log: slog.New(slog.DiscardHandler)}
	ctx := t.Context()
	boom := errors.New("boom")
	if _, err := c.entry(ctx, "x", func(_ context.Context, dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o600); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if exists(filepath.Join(c.dir, "x")) {
		t.Fatal("a failed entry is there")
	}
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			dir, err := c.entry(ctx, "x", func(_ context.Context, dir string) error {
				made.Add(1)
				return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
			})
			if err != nil || !exists(filepath.Join(dir, "whole")) || exists(filepath.Join(dir, "half")) {
				t.Errorf("entry %s, %v: not whole", dir, err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestLockWaitsUntilContextEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if _, err := lock(short, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	unlock()
	again, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestClearDeadRefusesForeignFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clearDead(t.Context(), dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("a folder with somebody's files was taken")
	}
	if _, err := Attach(dir, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrNoLab) {
		t.Errorf("got %v", err)
	}
}

func TestStateRoundTrip(t *testing.T) {
	dir := t.TempDir()
	st := state{ID: "abc", Run: "r", Netns: "n", Nodes: Cycle(2), Layers: [][]string{{"/a"}, {"/a", "/b"}}, Registries: DefaultRegistries()}
	if err := st.save(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(stateFile(dir))
	if err != nil || info.Mode().Perm() != 0o600 { // it holds passwords
		t.Fatalf("%v, %v", info, err)
	}
	l, err := Attach(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if l.Node("node2").layers[1] != "/b" || l.Registry(Harbor).Spec.URL() != "http://192.168.21.9" || l.Node("x") != nil || l.Registry("x") != nil {
		t.Errorf("got %+v", l)
	}
}

// TestLockOfRemovedFile: many take the lock in turn, each removing the file before it
// lets go; no two ever hold it together.
func TestLockOfRemovedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			unlock, err := lock(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) != 1 {
				t.Error("two hold the lock")
			}
			time.Sleep(2 * time.Millisecond) // room for another one to come in
			inside.Add(-1)
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
			unlock()
		})
	}
	wg.Wait()
	if exists(path) {
		t.Error("the file is still there")
	}
}
