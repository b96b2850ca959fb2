package node

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

func TestServeAnswersOneRequestAfterTheOther(t *testing.T) {
	in, write := io.Pipe()
	read, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(t.Context(), t.TempDir(), in, out) }()
	answers := bufio.NewReader(read)
	for _, say := range []string{`{"version":1,"op":"dance"}`, `{"confirm":true}` + "\n" + `{"version":1,"op":"sing"}`} {
		if _, err := io.WriteString(write, say+"\n"); err != nil {
			t.Fatal(err)
		}
		line, err := answers.ReadString('\n')
		if want := say[strings.LastIndex(say, ":")+2 : len(say)-2]; err != nil || !strings.Contains(line, "unknown operation "+want) {
			t.Fatalf("after %q: %q, %v", say, line, err)
		}
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("at the end of its input: %v", err)
	}
}

func TestAnIdleEngineLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, write := io.Pipe()
		start := time.Now()
		if err := Serve(t.Context(), t.TempDir(), in, io.Discard); err != nil || time.Since(start) != idleWithin {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		_ = write.Close()
	})
}

// TestHear is about what comes in while a request is carried out.
func TestHear(t *testing.T) {
	for name, c := range map[string]struct {
		reason, op, then string
		cancelled        bool
		err              string
	}{
		"the end of an apply":                       {"nobody waits for it", "apply", "", true, "EOF"},
		"the end of an apply that waits for a word": {"another connection may say it", `apply","confirmWithin":1000000000,"run":"a`, "", false, "EOF"},
		"a refusal":               {"the change is taken back at any time", "apply", `{"confirm":false}` + "\n", true, "EOF"},
		"the end of a rollback":   {"it is what was wanted most", "rollback", "", false, "EOF"},
		"a request in an apply":   {"its asker does not keep to the rules", "apply", `{"version":1,"op":"plan"}` + "\n", true, "before the former one was answered"},
		"gibberish in an apply":   {"so does this one", "apply", "gibberish\n", true, "not a line"},
		"a number where words go": {"a line that is none", "apply", "7\n", true, "cannot unmarshal"},
	} {
		calls := make(chan *call)
		ended := make(chan error, 1)
		in := strings.NewReader(`{"version":1,"op":"` + c.op + "\"}\n" + c.then)
		go func() { ended <- hear(t.Context(), protocol.NewReader(in), calls) }()
		got := <-calls
		err := <-ended
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		_, open := <-got.control
		for open {
			_, open = <-got.control // the word itself
		}
		if _, still := <-got.lost; still || (got.ctx.Err() != nil) != c.cancelled {
			t.Errorf("%s (%s): cancelled %v", name, c.reason, got.ctx.Err())
		}
		got.end(nil)
	}
}

func TestAWordIsForTheRequestUnderWay(t *testing.T) {
	in, write := io.Pipe()
	calls := make(chan *call)
	ended := make(chan error, 1)
	go func() { ended <- hear(context.Background(), protocol.NewReader(in), calls) }()
	say := func(line string) {
		if _, err := io.WriteString(write, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	go say(`{"version":1,"op":"apply","run":"a"}`)
	first := <-calls
	go say(`{"confirm":true}`)
	if word := <-first.control; !word.Confirm {
		t.Error("the word did not arrive")
	}
	first.end(nil)
	say(`{"confirm":false}`) // too late
	go say(`{"version":1,"op":"apply","run":"b"}`)
	second := <-calls
	select {
	case word := <-second.control:
		t.Errorf("the next request heard %+v", word)
	default:
	}
	_ = write.Close()
	if err := <-ended; !errors.Is(err, io.EOF) || second.req.Run != "b" {
		t.Errorf("%v, run %q", err, second.req.Run)
	}
}
