package kubespray

import (
	"errors"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestProbeWhatIsNoCheckout(t *testing.T) {
	_, err := Probe(fstest.MapFS{"cluster.yml": file("---\n")})
	var not *NotACheckoutError
	if !errors.As(err, &not) || not.Hint() == "" {
		t.Fatalf("Probe = %v, want a *NotACheckoutError with a hint", err)
	}
}

func TestProbeReadsNamesWhole(t *testing.T) {
	cases := []struct {
		template, variable string
		want               bool
	}{
		{"{% for r in containerd_registries.items() %}", VarRegistries, true},
		{"{% for r in containerd_registries_mirrors %}", VarRegistries, false},
		{"containerd_registries_mirrors containerd_registries", VarRegistries, true},
		{"containerd_registries", VarRegistries, true},
		{"", VarRegistries, false},
	}
	for _, c := range cases {
		if got := reads(c.template, c.variable); got != c.want {
			t.Errorf("reads(%q, %s) = %v", c.template, c.variable, got)
		}
	}
}
