//go:build unix

package secret

import (
	"os/exec"
	"strings"
	"testing"
)

func TestNoCoreDumpsHoldsForChildren(t *testing.T) {
	if err := NoCoreDumps(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/bin/sh", "-c", "ulimit -c; ulimit -Hc").Output()
	if err != nil || strings.TrimSpace(string(out)) != "0\n0" {
		t.Errorf("core dumps are limited to %q, %v", out, err)
	}
}
