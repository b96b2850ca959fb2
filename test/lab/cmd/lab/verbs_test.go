package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Setenv("PULLWAY_LAB_DIR", t.TempDir()+"/none")
	for _, tc := range []struct {
		args string
		code int
		want string // in what it says
	}{
		{"", 0, "usage: lab"},
		{"help", 0, "usage: lab"},
		{"status --help", 0, "usage: lab"},
		{"fly", 2, `no verb "fly"`},
		{"status --colour", 2, "colour"},
		{"up --nodes 2 --spec 2.4.2", 2, "not both"},
		{"up --nodes -1", 2, "--nodes -1"},
		{"up --spec 9", 2, `"9" is not a containerd release`},
		{"up --nodes 1 --kubelets node9", 1, `a kubelet on "node9", which is no node`},
		{"up --kubelets", 2, "kubelets"},
		{"build --spec 9", 2, `"9" is not a containerd release`},
		{"build --nodes 1 --kubelets node9", 1, `a kubelet on "node9", which is no node`},
		{"pull node1", 2, "more arguments"},
		{"helper x", 2, "for the lab itself"},
		{"status", 1, "no lab here"},
		{"ssh node1", 1, "no lab here"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := program{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}.run(t.Context(), strings.Fields(tc.args))
			if said := out.String() + errs.String(); code != tc.code || !strings.Contains(said, tc.want) {
				t.Errorf("code %d, want %d; said %q, want %q", code, tc.code, said, tc.want)
			}
		})
	}
}
