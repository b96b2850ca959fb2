package protocol

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestReaderReadsOneValueALine(t *testing.T) {
	r := NewReader(strings.NewReader("{\"confirm\":true}\n\n  \n{\"confirm\":false}"))
	var c Control
	for _, want := range []bool{true, false} {
		if err := r.Read(&c); err != nil || c.Confirm != want {
			t.Fatalf("Read = %v, %v; want %v", c, err, want)
		}
	}
	if err := r.Read(&c); !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %v, want EOF", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReaderRefusesALineWithoutEnd(t *testing.T) {
	var m Message
	if err := NewReader(endless{}).Read(&m); !errors.Is(err, ErrLineTooLong) {
		t.Fatalf("Read = %v, want ErrLineTooLong", err)
	}
}

func TestConverse(t *testing.T) {
	var out bytes.Buffer
	for _, m := range []Message{
		{Event: &Event{Step: StepObserve, At: time.Unix(1, 0)}},
		{Event: &Event{Step: StepProven}},
		{Reply: &Reply{Result: &Result{Outcome: OutcomeApplied}}},
	} {
		if err := Write(&out, m); err != nil {
			t.Fatal(err)
		}
	}
	var in bytes.Buffer
	reply, err := Converse(&in, &out, Request{Op: OpApply}, func(e Event) *Control {
		if e.Step == StepProven {
			return &Control{Confirm: true}
		}
		return nil
	})
	if err != nil || reply.Result.Outcome != OutcomeApplied {
		t.Fatalf("Converse = %+v, %v", reply, err)
	}
	if got := strings.Count(in.String(), "\n"); got != 2 {
		t.Fatalf("engine was sent %d lines, want request and confirm:\n%s", got, in.String())
	}
}

func TestConverseWithoutReply(t *testing.T) {
	for name, out := range map[string]string{
		"cut":     `{"event":{"step":"swap"}}` + "\n",
		"nothing": "",
		"garbage": "bash: command not found\n",
	} {
		if _, err := Converse(io.Discard, strings.NewReader(out), Request{}, nil); !errors.Is(err, ErrNoReply) {
			t.Errorf("%s: %v, want ErrNoReply", name, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"event":{"step":"swap"}}`))
	f.Add([]byte("{\n}\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		for {
			var m Message
			if err := r.Read(&m); errors.Is(err, io.EOF) || errors.Is(err, ErrLineTooLong) {
				return
			}
		}
	})
}
