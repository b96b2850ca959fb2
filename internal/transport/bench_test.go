package transport

import (
	"io"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// BenchmarkTwentyNodes connects to twenty nodes at once and starts an engine on
// each. The servers are in this process too, so the processor's share of this
// side is less than half of what is shown.
func BenchmarkTwentyNodes(b *testing.B) {
	var addrs []string
	for range 20 {
		s := serve(b, func(s *testServer) {
			s.exec = func(ch ssh.Channel, line string) {
				_, _ = io.WriteString(ch, markIn(line)+" ready amd64\nhello\n")
				finishWith(ch, 0)
			}
		})
		addrs = append(addrs, s.addr)
	}
	d := dialer(b)
	for b.Loop() {
		var wg sync.WaitGroup
		for _, addr := range addrs {
			wg.Go(func() {
				c, err := d.Connect(b.Context(), node(b, addr))
				if err != nil {
					b.Error(err)
					return
				}
				defer func() { _ = c.Close() }()
				p, err := c.StartWith(b.Context(), []byte("request\n"))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.ReadAll(p.Stdout())
				_ = p.Wait()
			})
		}
		wg.Wait()
	}
}
