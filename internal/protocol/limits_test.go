package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/secret"
)

// bare is a node without any file of containerd's.
type bare struct{}

func (bare) ReadFile(string) ([]byte, error)       { return nil, fs.ErrNotExist }
func (bare) Glob(string) (all []string, err error) { return nil, nil }

// realPlan is what an engine answers about a bare node that shall have so many
// registries, each with three endpoints, a credential and an authority of 2 KB.
func realPlan(t *testing.T, registries int) *plan.Node {
	t.Helper()
	rel, err := containerd.ParseRelease("2.4.2")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := configtoml.Load(bare{}, containerd.DefaultConfigFile, rel)
	if err != nil {
		t.Fatal(err)
	}
	o := plan.Observed{Hostname: "node1", Running: true, Healthy: true, Release: rel, ConfigFile: containerd.DefaultConfigFile,
		Distribution: containerd.Distribution{Name: "plain", Editable: true}, Unit: "containerd.service", KillMode: "process",
		Tree: tree, HostsDir: plan.HostsDir(tree, plan.Manifest{})}
	d := config.Desired{Name: "default"}
	for i := range registries {
		r := config.Registry{Host: fmt.Sprintf("registry-%d.example.com", i), Fallback: v1alpha1.FallbackNone,
			Auth: &config.Auth{Username: "robot$nodes", Password: secret.New("Harbor12345"), Delivery: v1alpha1.DeliveryAuto, Accepts: config.AcceptsBasic}}
		for j := range 3 {
			r.Endpoints = append(r.Endpoints, config.Endpoint{URL: fmt.Sprintf("https://mirror-%d-%d.example.com/v2/project", i, j), OverridePath: true,
				Capabilities: []string{"pull", "resolve"}, CA: bytes.Repeat([]byte{'x'}, 2048)})
		}
		d.Registries = append(d.Registries, r)
	}
	made := plan.Make(o, d, plan.Options{Key: []byte("k")})
	if !made.Node.CanApply() || len(made.Node.Changes) < registries {
		t.Fatalf("no plan worth measuring: %+v", made.Node.Problems)
	}
	return &made.Node
}

// The bounds leave room above what real nodes say.
func TestALargeRealPlanFits(t *testing.T) {
	for _, registries := range []int{3, 100, 1000} {
		line, err := json.Marshal(Message{Reply: &Reply{Plan: realPlan(t, registries)}})
		if err != nil {
			t.Fatal(err)
		}
		values, err := countValues(line)
		if err != nil {
			t.Fatalf("%d registries: %v", registries, err)
		}
		weight := len(line) + values*weightOfValue
		t.Logf("%4d registries: a line of %d bytes, %d values, a weight of %d KiB", registries, len(line), values, weight>>10)
		if len(line) > MaxAnswer/2 || values > MaxValues/2 {
			t.Errorf("%d registries: %d bytes and %d values come near the bounds", registries, len(line), values)
		}
		if registries <= 100 && weight > freeWeight {
			t.Errorf("%d registries: a weight of %d is not free", registries, weight)
		}
	}
}

// repeat gives what n times, without holding it.
func repeat(what string, n int) io.Reader {
	const block = 1 << 10
	r, w := io.Pipe()
	go func() {
		many := []byte(strings.Repeat(what, block))
		for n > 0 {
			k := min(n, block)
			if _, err := w.Write(many[:k*len(what)]); err != nil {
				return
			}
			n -= k
		}
		_ = w.Close()
	}()
	return r
}

const reply = `{"reply":{"result":{"outcome":"applied"}}}` + "\n"

func text(s string) io.Reader { return strings.NewReader(s) }

func TestListenIsBounded(t *testing.T) {
	for _, tc := range []struct {
		name string
		out  io.Reader
		want error // nil for a reply
	}{
		{"a line without end", endless{}, ErrLineTooLong},
		{"a line of 64 MB", io.MultiReader(text(`{"reply":{"error":{"text":"`), repeat("x", 64<<20), text("\"}}}\n")), ErrLineTooLong},
		{"a line within the bound", io.MultiReader(text(`{"reply":{"error":{"text":"`), repeat("x", MaxAnswer-100), text("\"}}}\n")), nil},
		{"a million events", io.MultiReader(repeat(`{"event":{"step":"observe"}}`+"\n", 1_000_000), text(reply)), ErrTooMuch},
		{"many events", io.MultiReader(repeat(`{"event":{"step":"observe"}}`+"\n", MaxEvents-1), text(reply)), nil},
		{"a million empty messages", repeat("{}\n", 1_000_000), ErrTooMuch},
		{"deep JSON", io.MultiReader(text(`{"reply":`), repeat("[", 1<<20), text("\n")), ErrTooMuch},
		{"deep objects of unknown names", io.MultiReader(text(`{"x":`), repeat(`{"a":`, 1<<20), text("\n")), ErrTooMuch},
		{"an array of a million", io.MultiReader(text(`{"reply":{"plan":{"changes":[{}`), repeat(",{}", 1<<20), text("]}}}\n")), ErrTooMuch},
		{"commas in a string are text", io.MultiReader(text(`{"reply":{"error":{"text":"\"`), repeat(`,[{\"`, 1<<18), text("\"}}}\n")), nil},
		{"a step with a long name", text(`{"event":{"step":"` + strings.Repeat("x", 1<<10) + `"}}` + "\n" + reply), ErrTooMuch},
		{"keys that stand there twice", text(`{"reply":{"error":{"text":"a"}},"reply":{"error":{"text":"b"}}}` + "\n"), nil},
		{"nothing", text(""), ErrNoReply},
		{"half a reply", text(`{"reply":{"plan":{`), ErrNoReply},
		{"a number for a reply", text(`{"reply":7}` + "\n"), ErrNoReply},
		{"HTML", text("<html>\n"), ErrNoReply},
		{"NUL bytes", text("\x00\x00\n"), ErrNoReply},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Listen(io.Discard, tc.out, NewBudget(DefaultBudget), func(Event) *Control { return nil })
			if !errors.Is(err, tc.want) || (got != nil) != (tc.want == nil) {
				t.Errorf("Listen = %v, %v; want %v", got != nil, err, tc.want)
			}
			if err != nil && (len(err.Error()) > 300 || strings.Contains(err.Error(), "\n")) {
				t.Errorf("not one short line: %q", err)
			}
		})
	}
}

// A budget that others have used up stops a large answer and no small one, and
// what failed gives its part back.
func TestBudget(t *testing.T) {
	large := func() io.Reader {
		return io.MultiReader(text(`{"reply":{"error":{"text":"`), repeat("x", 3<<20), text("\"}}}\n"))
	}
	b := NewBudget(8 << 20)
	if _, err := Listen(io.Discard, large(), b, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(io.Discard, io.MultiReader(repeat("x", 3<<20), text("\n")), b, nil); !errors.Is(err, ErrNoReply) {
		t.Fatal(err)
	}
	before := b.left
	cost := 8<<20 - before
	if cost < 1<<20 {
		t.Fatalf("a large answer costs %d bytes", cost)
	}
	for {
		if _, err := Listen(io.Discard, large(), b, nil); errors.Is(err, ErrTooMuch) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if before -= cost; b.left != before {
			t.Fatalf("%d left, want %d", b.left, before)
		}
	}
	if b.left != before {
		t.Errorf("a refused answer keeps %d bytes", before-b.left)
	}
	if _, err := Listen(io.Discard, text(reply), b, nil); err != nil {
		t.Errorf("a small answer: %v", err)
	}
}

func FuzzListen(f *testing.F) {
	for _, s := range []string{reply, `{"event":{"step":"swap","text":"x"}}` + "\n" + reply, `{"reply":{},"reply":{"plan":{"changes":[{"path":"/x"}]}}}`,
		"[[[[[[", `{"reply":{"export":{"registries":[{"endpoints":[{"ca":"AAAA"}]}]}}}`, "{\"event\":{\"step\":\"\xff\"}}\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		budget := NewBudget(DefaultBudget)
		got, err := Listen(io.Discard, bytes.NewReader(b), budget, nil)
		if (got == nil) == (err == nil) {
			t.Fatalf("%v, %v", got, err)
		}
		if err != nil && budget.left != DefaultBudget {
			t.Fatalf("an error keeps %d bytes", DefaultBudget-budget.left)
		}
		if got == nil {
			return
		}
		// What was read is again what is read.
		var out bytes.Buffer
		if err := Write(&out, Message{Reply: got}); err != nil {
			return // a time that JSON cannot say
		}
		first := out.String()
		again, err := Listen(io.Discard, &out, budget, nil)
		if err != nil {
			t.Fatalf("%v of %s", err, first)
		}
		var second bytes.Buffer
		if err := Write(&second, Message{Reply: again}); err != nil || second.String() != first {
			t.Fatalf("%s became %s, %v", first, second.String(), err)
		}
	})
}
