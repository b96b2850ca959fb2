package agreement

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pullway/pullway/test/rules"
)

func TestSeenOf(t *testing.T) {
	ask := func(method, host, path string, status int) Event {
		return Event{Method: method, Where: host, Path: "/v2/team/app" + path, Status: status}
	}
	hello := func(host string) Event { return Event{Where: host + ":443"} }
	events := []Event{
		hello("https://a"),
		ask("HEAD", "http://b:5000", "/manifests/v1", 503), ask("HEAD", "http://b:5000", "/manifests/v1", 503),
		hello("https://c"), ask("HEAD", "https://c", "/manifests/v1", 403), ask("GET", "https://c", "/manifests/v1", 403),
		hello("https://d"), ask("HEAD", "https://d", "/manifests/v1", 200),
		hello("https://a"), ask("GET", "https://d", "/manifests/sha256:1", 200),
		ask("GET", "http://b:5000", "/blobs/sha256:2", 404), ask("GET", "http://b:5000", "/blobs/sha256:3", 404), ask("GET", "https://d", "/blobs/sha256:2?ns=x", 200),
	}
	s := SeenOf(true, events, "v1")
	if got, want := fmt.Sprint(s.Hosts), "[https://a http://b:5000 https://c https://d]"; got != want {
		t.Errorf("hosts %s, want %s", got, want)
	}
	if got := strings.Join(s.Requests, "\n"); strings.Count(got, "\n") != 2 || strings.Contains(got, "GET") {
		t.Errorf("requests\n%s", got)
	}
	if got, want := fmt.Sprint(s.Blob), "[http://b:5000 https://d]"; got != want {
		t.Errorf("blob %s, want %s", got, want)
	}
	// Without content, what fails at the end counts.
	if s := SeenOf(false, events[:7], "v1"); s.Hosts[len(s.Hosts)-1] != "https://d" {
		t.Errorf("%v", s.Hosts)
	}
}

// TestDisagreements: each difference is one.
func TestDisagreements(t *testing.T) {
	same := func() Result {
		s := Seen{OK: true, Hosts: []string{"a"}, Requests: []string{"HEAD a"}, Blob: []string{"a"}}
		return Result{Pull: s, Trace: s, Attempts: []string{"a"}, Predicted: []string{"a"}}
	}
	for name, change := range map[string]func(*Result){
		"result":   func(r *Result) { r.Trace.OK = false },
		"order":    func(r *Result) { r.Predicted = []string{"b"} },
		"hosts":    func(r *Result) { r.Trace.Hosts = []string{"a", "b"} },
		"requests": func(r *Result) { r.Trace.Requests = nil },
		"content":  func(r *Result) { r.Trace.Blob = nil },
	} {
		r := same()
		if d := r.Disagreements(); len(d) != 0 {
			t.Fatal(d)
		}
		change(&r)
		if d := r.Disagreements(); len(d) != 1 || !strings.HasPrefix(d[0], name+":") {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// TestCases: sixty and more for each release, each with a name of its own.
func TestCases(t *testing.T) {
	names := map[string]bool{}
	count := map[string]int{}
	for _, c := range Cases() {
		if names[c.Name] || strings.Contains(c.Name, "|") {
			t.Errorf("%q", c.Name)
		}
		names[c.Name] = true
		for _, r := range rules.Releases {
			if c.For(r) {
				count[r]++
			}
		}
	}
	for _, r := range rules.Releases {
		if count[r] < 60 {
			t.Errorf("%d cases for %s", count[r], r)
		}
	}
}
