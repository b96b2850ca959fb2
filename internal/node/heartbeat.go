package node

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// heartbeat tells a later engine that one is at work now. It goes by the
// machine's own uptime, not by the clock, which may be set at any moment.
type heartbeat struct {
	Boot string        `json:"boot"`
	At   time.Duration `json:"at"`
}

// uptime is the time since boot, sleep included, and which boot that was.
func uptime() heartbeat {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return heartbeat{Boot: strings.TrimSpace(string(boot)), At: time.Duration(ts.Nano())}
}

// silent reports whether nobody has been heard for this long, as of now.
func (h heartbeat) silent(now heartbeat, d time.Duration) bool {
	return h.Boot != now.Boot || now.At-h.At > d
}

// memoryBeat is where a node's heartbeat is: in memory, so that neither a disk that
// is slow nor one that is full or read-only makes an engine look dead.
const memoryBeat = "/run/pullway-heartbeat"

func (s store) beatPath() string {
	if s.dir == StateDir {
		return memoryBeat
	}
	return s.path("heartbeat")
}

// beat writes a heartbeat.
func (s store) beat() {
	b, _ := json.Marshal(uptime())
	tmp := s.beatPath() + ".new"
	if os.WriteFile(tmp, b, 0o600) == nil {
		_ = os.Rename(tmp, s.beatPath())
	}
}

// lastBeat is the last heartbeat; the zero one when there is none.
func (s store) lastBeat() (h heartbeat) {
	_, _ = s.load(s.beatPath(), &h)
	return h
}

// keepBeating writes heartbeats until the returned function is called. The last one
// stays, until the next boot: it dates whoever held it.
func (s store) keepBeating(every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.beat()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
