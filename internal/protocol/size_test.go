package protocol

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/secret"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 51_234_567: "51.2 MB", 99_949_000: "99.9 MB", 120_400_000: "120 MB",
		999_499_999: "999 MB", 999_500_000: "1.0 GB", 1 << 40: "1.1 TB", 1 << 62: "4611686 TB"} {
		if got := Size(n).String(); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestPrepullPrintsNoSecret: a pull secret goes to the engine and into nothing that is printed.
func TestPrepullPrintsNoSecret(t *testing.T) {
	p := &Prepull{}
	first, again := p.Credential("robot", secret.New("hidden-1")), p.Credential("robot", secret.New("hidden-1"))
	if first != 0 || again != 0 || p.Credential("other", secret.New("hidden-2")) != 1 {
		t.Errorf("places %d, %d", first, again)
	}
	req := Request{Op: OpPrepull, Prepull: p}
	if s := fmt.Sprintf("%v %+v %#v %s", req, req, req, *p); strings.Contains(s, "hidden") {
		t.Errorf("printed: %s", s)
	}
	if line, err := Encode(req); err != nil || !strings.Contains(string(line), "hidden-2") {
		t.Errorf("the engine does not get it: %v", err)
	}
}
