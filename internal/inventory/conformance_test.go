package inventory

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inventories are read by both readers.
var inventories = []string{
	"builder", "sample227/inventory.ini", "old/hosts.ini", "plain/hosts.ini", "local/hosts.ini",
	"onlylocal/hosts.yml", "both", "onlyini", "merged/hosts.yml", "priority/hosts.yml", "hosts.json", "noext",
}

// plainNode is a Node with its secrets in clear, for comparing.
func plainNode(n Node) string {
	return fmt.Sprintf("%s %+v pass=%q become=%q", n.Name, n, n.Password.Reveal(), n.BecomePassword.Reveal())
}

func plainNodes(nodes []Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, plainNode(n))
	}
	return out
}

func TestReadersAgree(t *testing.T) {
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		t.Skip("NOT TESTED: ansible-inventory is not installed, so the built-in reader was compared with nothing")
	}
	for _, name := range inventories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt := Options{Home: "/home/ops", Env: func(string) string { return "" }, Reader: ReaderBuiltIn}
			own, err := Load(context.Background(), "testdata/"+name, opt)
			if err != nil {
				t.Fatal(err)
			}
			opt.Reader, opt.Program = ReaderAnsible, program
			theirs, err := Load(context.Background(), "testdata/"+name, opt)
			if err != nil {
				t.Fatal(err)
			}
			if own.By != ByBuiltIn || theirs.By != ByAnsible {
				t.Fatalf("read by %q and %q", own.By, theirs.By)
			}
			if diff := cmp.Diff(plainNodes(theirs.Nodes), plainNodes(own.Nodes)); diff != "" {
				t.Errorf("-ansible-inventory +built-in reader:\n%s", diff)
			}
			if diff := cmp.Diff(theirs.Warnings, own.Warnings); diff != "" {
				t.Errorf("warnings, -ansible-inventory +built-in reader:\n%s", diff)
			}
			t.Log("\n" + strings.Join(plainNodes(own.Nodes), "\n"))
		})
	}
}
