package record

import (
	"fmt"
	"testing"
)

// BenchmarkSaveFiveThousand is one save of a large fleet, fsync and all.
func BenchmarkSaveFiveThousand(b *testing.B) {
	run := sample(id1)
	node := run.Nodes[0]
	for i := range 5000 {
		node.Name = fmt.Sprintf("node-%d", i)
		run.Nodes = append(run.Nodes, node)
	}
	s := Store{Dir: b.TempDir()}
	for b.Loop() {
		if err := s.Save(run); err != nil {
			b.Fatal(err)
		}
	}
}
