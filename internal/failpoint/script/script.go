// Package script has an engine strike itself as a file on the node orders. It is
// linked only into engines that are built with the tag failpoints, which are made
// by tests and never leave them.
package script

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pullway/pullway/internal/failpoint"
)

// File is where the orders lie. It is read once, when the engine starts; an absent
// one orders nothing.
const File = "/run/pullway-failpoints"

// Orders are what the file holds, as JSON.
type Orders struct {
	// Record is a file that the first engine which finds these orders makes, and to
	// which it appends the name of every point that it passes, one a line.
	Record string `json:"record,omitempty"`
	// Strikes are carried out in turn, each once: one that is done is taken from the
	// file first, so that the engine that comes next finds the rest.
	Strikes []Strike `json:"strikes,omitempty"`
}

// Strike is what happens at one point.
type Strike struct {
	// Point is its name; see Name.
	Point string `json:"point"`
	// Pass is which passing of that point is meant, from 1.
	Pass int `json:"pass"`
	// Action is Error, Kill, Freeze, or Clock and a duration, such as "clock=-24h".
	Action string `json:"action"`
}

// The actions.
const (
	Error  = "error"  // the call fails with EIO
	Kill   = "kill"   // the engine gets SIGKILL
	Freeze = "freeze" // the engine gets SIGSTOP, and goes on at SIGCONT
	Clock  = "clock=" // the engine's clock jumps by the duration that follows
)

// Name is the stable name of a point: the step of the transaction that is under
// way, the side, the operation, and the path with what is new each time left out.
func Name(step string, when failpoint.When, operation, path string) string {
	return fmt.Sprintf("%s: %s %s %s", step, when, operation, transaction.ReplaceAllString(path, "ID"))
}

// transaction ids are made of the time and chance.
var transaction = regexp.MustCompile(`\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}`)

// Script is the orders as one engine process carries them out.
type Script struct {
	mu     sync.Mutex
	file   string
	orders Orders
	step   string
	passes map[string]int
	jumped time.Duration
	// end carries out Kill and Freeze; tests put another in its place.
	end func(syscall.Signal)
}

// Open reads the orders. Orders that cannot be read end the process: a test must
// not take an engine that was not struck for one that survived.
func Open(file string) *Script {
	s := &Script{file: file, step: "start", passes: map[string]int{}, end: signalSelf}
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return s
	}
	if err == nil {
		err = json.Unmarshal(b, &s.orders)
	}
	if err != nil {
		panic(fmt.Sprintf("failpoints: %s: %v", file, err))
	}
	if s.orders.Record != "" {
		f, err := os.OpenFile(s.orders.Record, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			s.orders.Record = "" // another engine records
		} else {
			_ = f.Close()
		}
	}
	return s
}

// Step tells that a step of the transaction begins.
func (s *Script) Step(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step = name
}

// Now is the clock with its jumps.
func (s *Script) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.jumped)
}

// Pass is the failpoint.Hook.
func (s *Script) Pass(when failpoint.When, operation, path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := Name(s.step, when, operation, path)
	if s.orders.Record != "" {
		appendLine(s.orders.Record, name)
	}
	s.passes[name]++
	if len(s.orders.Strikes) == 0 {
		return nil
	}
	next := s.orders.Strikes[0]
	if next.Point != name || next.Pass != s.passes[name] {
		return nil
	}
	s.orders.Strikes = s.orders.Strikes[1:]
	s.passes = map[string]int{}
	s.save()
	appendLine(s.file+".struck", next.Action+" "+name)
	switch by, clock := strings.CutPrefix(next.Action, Clock); {
	case clock:
		d, err := time.ParseDuration(by)
		if err != nil {
			panic(err)
		}
		s.jumped += d
	case next.Action == Error:
		return syscall.EIO
	case next.Action == Kill:
		s.end(unix.SIGKILL)
	case next.Action == Freeze:
		s.end(unix.SIGSTOP)
	default:
		panic("failpoints: unknown action " + next.Action)
	}
	return nil
}

// save writes what is left of the orders.
func (s *Script) save() {
	b, err := json.Marshal(s.orders)
	if err == nil {
		err = os.WriteFile(s.file+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(s.file+".new", s.file)
	}
	if err != nil {
		panic(err)
	}
}

func appendLine(file, line string) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		_ = f.Close()
	}
	if err != nil {
		panic(err)
	}
}

// signalSelf returns when the signal has surely taken effect, and, for SIGSTOP,
// when it is over: another thread may be the one that takes it.
func signalSelf(sig syscall.Signal) {
	_ = unix.Kill(os.Getpid(), sig)
	time.Sleep(20 * time.Millisecond)
}
