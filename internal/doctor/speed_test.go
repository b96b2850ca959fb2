package doctor_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/doctor"
)

// BenchmarkFleet is the files of 5,000 nodes, no two alike, read from disk.
func BenchmarkFleet(b *testing.B) {
	dir := b.TempDir()
	const nodes = 5000
	for i := range nodes {
		benchTree(b, filepath.Join(dir, fmt.Sprintf("node%d", i)), i)
	}
	b.ResetTimer()
	for b.Loop() {
		start := time.Now()
		trees, _, err := doctor.Open(dir)
		if err != nil || len(trees) != nodes || doctor.Set(trees, "1.7.35") != nil {
			b.Fatal(err, len(trees))
		}
		next := make(chan doctor.Tree)
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for t := range next {
					doctor.Examine(t.Node)
				}
			})
		}
		for _, t := range trees {
			next <- t
		}
		close(next)
		wg.Wait()
		b.ReportMetric(time.Since(start).Seconds(), "s/fleet")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys>>20), "MiB")
}
