package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

func TestVerifyEndsWithTheVerdictOfATrace(t *testing.T) {
	v := NewVerify([]fleet.Answer{
		{Target: fleet.Target{Name: "node1"}, Reply: &protocol.Reply{Proofs: []protocol.Proof{
			{Image: "r/a:1", Error: "401 Unauthorized", Hint: "of the pull",
				Why: &protocol.Why{Host: "http://r/v2", Text: "r/a:1 is not served. http://r/v2: refuses the user name or password.", Hint: "of the trace"}},
			{Image: "r/b:1", Error: "401 Unauthorized", Hint: "of the pull", Why: &protocol.Why{SameAs: "r/a:1"}},
			{Image: "r/c:1", Error: "EOF", Hint: "of the pull", Why: &protocol.Why{Served: true, Text: "A trace now finds that r/c:1 is served by http://r/v2: the failure may have passed.", Hint: "not this one"}},
		}}},
		{Target: fleet.Target{Name: "node2"}, Reply: &protocol.Reply{Proofs: []protocol.Proof{{Image: "r/a:1", Error: "EOF"}}}},
	})
	want := `node1
  not pulled r/a:1: 401 Unauthorized
    why: r/a:1 is not served. http://r/v2: refuses the user name or password.
    hint: of the trace
  not pulled r/b:1: 401 Unauthorized
    why: as for r/a:1
  not pulled r/c:1: EOF
    why: A trace now finds that r/c:1 is served by http://r/v2: the failure may have passed.
    hint: of the pull
node2
  not pulled r/a:1: EOF
2 nodes of 2 nodes cannot pull.
  host by host, as a node is configured: pullway trace r/a:1
`
	if d := cmp.Diff(want, human(v)); d != "" {
		t.Error(d)
	}
}
