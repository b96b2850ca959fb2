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
	if lived, err := b.contact(nil); !lived || err != nil {
		t.Fatalf("settle = %v; want nothing, for nothing had begun", err)
	}
	if exists(half) {
		t.Error("the half journal is still there")
	}
}
