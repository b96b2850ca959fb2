package node

import (
	"os"
	"testing"
)

func TestSettleDropsAHalfJournal(t *testing.T) {
	b := newBench(t)
	half := b.store.path("journal.json.new")
	if err := os.WriteFile(half, []byte(`{"id": "2026`), 0o600); err != nil {
		t.Fatal(err)
	}
	e := NewEngine(b.store.dir, nil, nil)
	if r, err := e.settle(t.Context()); r != nil || err != nil {
		t.Fatalf("settle = %+v, %v; want nothing, for nothing had begun", r, err)
	}
	if exists(half) {
		t.Error("the half journal is still there")
	}
}
