package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

func TestDoctorTellsOfPullsThatFailed(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 12, minute, 0, 0, time.UTC) }
	answer := func(name string, j *doctor.Journal) fleet.Answer {
		return fleet.Answer{Target: fleet.Target{Name: name}, Reply: &protocol.Reply{Doctor: &protocol.Doctor{Report: doctor.Report{Release: "2.4.2"}, Journal: j}}}
	}
	app := doctor.FailedPull{Image: "r.lan/app:1", At: at(10), Times: 3, Text: "http: server gave HTTP response to HTTPS client", Before: []string{"m.lan: EOF"}, Rules: []string{"HST005", "HST004"}}
	well := app
	well.Pulled = at(20)
	late := app
	late.At, late.Times = at(30), 1
	odd := doctor.FailedPull{Image: "r.lan/odd:1", At: at(11), Times: 1, Text: "\x1b[2Jwhat nobody knows"}
	answers := []fleet.Answer{
		answer("node1", &doctor.Journal{Since: at(0), Pulls: []doctor.FailedPull{app, odd}}),
		answer("node2", &doctor.Journal{Since: at(0), Pulls: []doctor.FailedPull{late}, More: 2}),
		answer("node3", &doctor.Journal{Since: at(0), Pulls: []doctor.FailedPull{well}}),
		answer("node4", &doctor.Journal{Since: at(0), Pulls: []doctor.FailedPull{}, Unread: "there is no journalctl on this node"}),
		answer("node5", nil),
	}
	d := NewDoctor(NewDoctorAnswers(answers, []string{"hst004"})).WithEvents(Events{Since: at(0), Pulls: []doctor.FailedPull{}, Unread: "may not list events"}, nil)
	want := `not looked at: node4: containerd's journal: there is no journalctl on this node
Pulls that failed since 2026-01-02 12:00:00 UTC, by containerd's journal
  r.lan/app:1  2026-01-02 12:30:00 UTC, 4 times
    on node1, node2
    http: server gave HTTP response to HTTPS client
    before: m.lan: EOF
    HST005  https to a registry that speaks HTTP
  r.lan/odd:1  2026-01-02 12:11:00 UTC
    on node1
    ?[2Jwhat nobody knows
    no rule knows this message
  r.lan/app:1  2026-01-02 12:10:00 UTC, 3 times
    on node3
    http: server gave HTTP response to HTTPS client
    before: m.lan: EOF
    HST005  https to a registry that speaks HTTP
    pulled well since then: 2026-01-02 12:20:00 UTC
  and 2 more images; -o json tells more

not looked at: events of Kubernetes: may not list events
No problem found.
`
	if diff := cmp.Diff(want, human(d)); diff != "" {
		t.Error(diff)
	}
	if one := human(NewDoctor(NewDoctorAnswers(answers[:1], nil))); strings.Contains(one, "    on node1") || !strings.Contains(one, "  r.lan/app:1  ") {
		t.Errorf("one node: %s", one)
	}
}
