package doctor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/doctor"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// logged is a log with a second between its lines.
func logged(lines ...string) (all []doctor.LogEntry) {
	for i, l := range lines {
		all = append(all, doctor.LogEntry{At: noon.Add(time.Duration(i) * time.Second), Text: l})
	}
	return all
}

func second(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

// Lines as containerd 1.6.20, 1.7.35 and 2.4.2 wrote them.
const (
	begin19  = `time="2026-01-02T12:00:00.1Z" level=info msg="PullImage \"192.168.21.9/team/app:v1\""`
	plain19  = `time="2026-01-02T12:00:00.2Z" level=error msg="PullImage \"192.168.21.9/team/app:v1\" failed" error="rpc error: code = Unknown desc = failed to pull and unpack image \"192.168.21.9/team/app:v1\": failed to resolve reference \"192.168.21.9/team/app:v1\": failed to do request: Head \"https://192.168.21.9/v2/team/app/manifests/v1\": http: server gave HTTP response to HTTPS client"`
	pulled19 = `time="2026-01-02T12:00:00.3Z" level=info msg="PullImage \"192.168.21.9/team/app:v1\" returns image reference \"sha256:0123\""`
	beginHub = `time="2026-01-02T12:00:00.4Z" level=info msg="PullImage \"nginx:1.27\""`
	nextHub  = `time="2026-01-02T12:00:00.5Z" level=info msg="trying next host" error="failed to do request: Head \"https://192.168.21.9/v2/library/nginx/manifests/1.27?ns=docker.io\": tls: failed to verify certificate: x509: certificate signed by unknown authority" host=192.168.21.9`
	failsHub = `time="2026-01-02T12:00:00.6Z" level=error msg="PullImage \"nginx:1.27\" failed" error="failed to pull and unpack image \"docker.io/library/nginx:1.27\": failed to resolve reference \"docker.io/library/nginx:1.27\": failed to do request: Head \"https://registry-1.docker.io/v2/library/nginx/manifests/1.27\": dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host"`
	sandbox  = `time="2026-01-02T12:00:00.7Z" level=error msg="RunPodSandbox for &PodSandboxMetadata{Name:web,Uid:1,Namespace:default,Attempt:0,} failed, error" error="rpc error: code = Unknown desc = failed to get sandbox image \"registry.k8s.io/pause:3.6\": failed to pull image \"registry.k8s.io/pause:3.6\": failed to pull and unpack image \"registry.k8s.io/pause:3.6\": failed to resolve reference \"registry.k8s.io/pause:3.6\": failed to do request: Head \"https://registry.k8s.io/v2/pause/manifests/3.6\": dial tcp 192.0.2.1:443: i/o timeout"`
	inJSON   = `{"error":"failed to resolve reference \"r.lan:5000/app:1\": failed to do request: Head \"https://r.lan:5000/v2/app/manifests/1\": http: server gave HTTP response to HTTPS client","level":"error","msg":"PullImage \"r.lan:5000/app:1\" failed","time":"2026-01-02T12:00:00Z"}`
)

const httpOnHTTPS = `failed to do request: Head "https://192.168.21.9/v2/team/app/manifests/v1": http: server gave HTTP response to HTTPS client`

func TestFailedPulls(t *testing.T) {
	app := func(p doctor.FailedPull) doctor.FailedPull {
		p.Image, p.Text, p.Rules = "192.168.21.9/team/app:v1", httpOnHTTPS, []string{"HST005"}
		return p
	}
	for _, tc := range []struct {
		reason string
		log    []doctor.LogEntry
		want   []doctor.FailedPull
	}{
		{"nothing failed", logged(begin19, pulled19, "garbage", ""), nil},
		{"one failed", logged(begin19, plain19), []doctor.FailedPull{app(doctor.FailedPull{At: second(1), Times: 1})}},
		{"often, and then it worked", logged(plain19, plain19, plain19, begin19, pulled19), []doctor.FailedPull{app(doctor.FailedPull{At: second(2), Times: 3, Pulled: second(4)})}},
		{"it worked, and then no more", logged(plain19, pulled19, plain19), []doctor.FailedPull{app(doctor.FailedPull{At: second(2), Times: 2})}},
		{"as JSON", logged(inJSON), []doctor.FailedPull{{Image: "r.lan:5000/app:1", At: noon, Times: 1, Rules: []string{"HST005"},
			Text: `failed to do request: Head "https://r.lan:5000/v2/app/manifests/1": http: server gave HTTP response to HTTPS client`}}},
		{"a mirror failed first, while another pull is under way", logged(begin19, beginHub, nextHub, plain19, failsHub), []doctor.FailedPull{
			{Image: "docker.io/library/nginx:1.27", At: second(4), Times: 1, Rules: []string{"RUN008", "HST012"},
				Text:   `failed to do request: Head "https://registry-1.docker.io/v2/library/nginx/manifests/1.27": dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host`,
				Before: []string{`failed to do request: Head "https://192.168.21.9/v2/library/nginx/manifests/1.27": tls: failed to verify certificate: x509: certificate signed by unknown authority`}},
			app(doctor.FailedPull{At: second(3), Times: 1})}},
		{"CRI's own pull", logged(sandbox), []doctor.FailedPull{{Image: "registry.k8s.io/pause:3.6", At: noon, Times: 1,
			Text: `failed to do request: Head "https://registry.k8s.io/v2/pause/manifests/3.6": dial tcp 192.0.2.1:443: i/o timeout`}}},
	} {
		got, more := doctor.FailedPulls(tc.log)
		for i := range got {
			if tc.reason != "CRI's own pull" && len(got[i].Rules) == 0 {
				t.Errorf("%s: no rule for %q", tc.reason, got[i].Text)
			}
			if i < len(tc.want) && len(tc.want[i].Rules) > 0 && len(got[i].Rules) > 0 {
				// The likeliest counts; what else fits is the catalogue's business.
				want := map[string]bool{}
				for _, r := range got[i].Rules {
					want[r] = true
				}
				for _, r := range tc.want[i].Rules {
					if !want[r] {
						t.Errorf("%s: rules %v, want %v among them", tc.reason, got[i].Rules, tc.want[i].Rules)
					}
				}
			}
			got[i].Rules = nil
		}
		for i := range tc.want {
			tc.want[i].Rules = nil
		}
		if d := cmp.Diff(tc.want, got); d != "" || more != 0 {
			t.Errorf("%s: %d more, %s", tc.reason, more, d)
		}
		for _, e := range tc.log {
			if strings.Contains(e.Text, "failed") && !doctor.TellsOfPulls(e.Text) {
				t.Errorf("%s would not be read", e.Text)
			}
		}
	}
}

func TestFailedPullsAreBounded(t *testing.T) {
	var log []doctor.LogEntry
	for i := range 5000 {
		log = append(log, logged(fmt.Sprintf(`level=error msg="PullImage \"r.lan/app:%d\" failed" error="`+strings.Repeat("x", 5000)+`"`, i))...)
	}
	all, more := doctor.FailedPulls(log)
	if len(all) != 50 || more != 4950 || len(all[0].Text) > 1100 {
		t.Errorf("%d and %d more, %d bytes", len(all), more, len(all[0].Text))
	}
}

// A log of pulls that never end, and of hosts that fail, takes no time to speak of.
func TestFailedPullsOfAHostileLog(t *testing.T) {
	var lines []string
	for i := range 10_000 {
		lines = append(lines, fmt.Sprintf(`level=info msg="PullImage \"r.lan/app/%d:1\""`, i), strings.ReplaceAll(nextHub, "library", fmt.Sprint(i)))
	}
	began := time.Now()
	if all, _ := doctor.FailedPulls(logged(lines...)); len(all) > 0 || time.Since(began) > 20*time.Second {
		t.Errorf("%d in %s", len(all), time.Since(began))
	}
}

func TestFailedPullsHoldNoSecret(t *testing.T) {
	all, _ := doctor.FailedPulls(logged(
		`level=info msg="PullImage \"r.lan/app:1\""`,
		`level=info msg="trying next host" error="Get \"https://user:Secret77@m.lan/v2/app/manifests/1?sig=Secret77\": Authorization: Basic Secret77=="`,
		`level=error msg="PullImage \"r.lan/app:1\" failed" error="Get \"https://user:Secret77@r.lan/v2/?X-Amz-Signature=Secret77\": \x1b[2J\"password\":\"Secret77\""`))
	if len(all) != 1 || len(all[0].Before) != 1 {
		t.Fatalf("%+v", all)
	}
	if s := fmt.Sprintf("%+v", all); strings.Contains(s, "Secret77") || strings.Contains(s, "\x1b") {
		t.Error(s)
	}
}

func TestKubeletPulls(t *testing.T) {
	event := func(node, message string, at, times int) doctor.Event {
		return doctor.Event{Node: node, Message: message, At: second(at), Times: times}
	}
	const reason = `failed to pull and unpack image "r.lan:5000/app:1": failed to resolve reference "r.lan:5000/app:1": failed to do request: Head "https://r.lan:5000/v2/app/manifests/1": http: server gave HTTP response to HTTPS client`
	const text = `failed to do request: Head "https://r.lan:5000/v2/app/manifests/1": http: server gave HTTP response to HTTPS client`
	all, more := doctor.KubeletPulls([]doctor.Event{
		event("node2", `Back-off pulling image "r.lan:5000/app:1"`, 9, 40), // its reason is gone
		event("node1", `Failed to pull image "r.lan:5000/app:1": rpc error: code = Unknown desc = `+reason, 1, 3),
		event("node1", `Error: ErrImagePull`, 1, 3),
		event("node1", `Back-off pulling image "r.lan:5000/app:1"`, 5, 12),
		event("node1", `Failed to pull image "r.lan:5000/app:1": `+reason, 4, 1),
		event("node3", `Back-off pulling image "r.lan:5000/app:1": ErrImagePull: `+reason, 2, 1), // since 1.33
		event("node3", "Failed to start container", 3, 1),
	})
	for i := range all {
		if i != 0 && (len(all[i].Rules) == 0 || all[i].Rules[0] != "HST005") {
			t.Errorf("%+v", all[i])
		}
		all[i].Rules = nil
	}
	want := []doctor.FailedPull{
		{Image: "r.lan:5000/app:1", Node: "node2", At: second(9), Times: 40, Text: "kubelet waits before it tries again (ImagePullBackOff); the event with the reason is gone"},
		{Image: "r.lan:5000/app:1", Node: "node1", At: second(5), Times: 4, Text: text},
		{Image: "r.lan:5000/app:1", Node: "node3", At: second(2), Times: 1, Text: text},
	}
	if d := cmp.Diff(want, all); d != "" || more != 0 {
		t.Errorf("%d more, %s", more, d)
	}
}

func FuzzFailedPulls(f *testing.F) {
	f.Add(begin19 + "\n" + nextHub + "\n" + plain19 + "\n" + pulled19)
	f.Add(beginHub + "\n" + nextHub + "\n" + failsHub + "\n" + sandbox + "\n" + inJSON)
	f.Add("PullImage \"\x00\" failed\n{\nmsg=\"PullImage \\\"\xff\\\" failed\" error=\"\x1b]0;\x07")
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := doctor.FailedPulls(logged(strings.Split(text, "\n")...))
		events, _ := doctor.KubeletPulls([]doctor.Event{{Node: text, Message: text}, {Message: `Failed to pull image "` + text}})
		for _, p := range append(all, events...) {
			for _, s := range append([]string{p.Image, p.Node, p.Text}, p.Before...) {
				if strings.ContainsFunc(s, unicode.IsControl) || len(s) > 1100 {
					t.Errorf("%q", s)
				}
			}
			if p.Times < 1 {
				t.Errorf("%+v", p)
			}
		}
	})
}
