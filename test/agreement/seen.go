package agreement

import (
	"fmt"
	"slices"
	"strings"
)

// Seen is what the registries saw of one pull, or of one trace.
type Seen struct {
	// OK: the image was pulled, or the trace says that it would be.
	OK bool
	// Hosts are who was asked where the image is, in order: scheme and host, handshakes
	// that failed and token services included. None comes twice in a row.
	Hosts []string
	// Requests are those for the manifest by the reference that was pulled, in order.
	Requests []string
	// Blob are the hosts that were asked for the first blob, in order: a layer, or the image's
	// configuration, which 2.x fetches first.
	Blob []string
}

// SeenOf puts the events of one pull in order. reference is the tag or digest that was
// pulled.
func SeenOf(ok bool, events []Event, reference string) Seen {
	s := Seen{OK: ok, Hosts: []string{}, Requests: []string{}, Blob: []string{}}
	resolving, forbidden, resolved, first := true, "", 0, ""
	for _, e := range events {
		where := strings.TrimSuffix(strings.TrimSuffix(e.Where, ":443"), "]:443")
		byReference := strings.Contains(e.Path, "/manifests/"+reference)
		content := e.Method == "GET" && (strings.Contains(e.Path, "/blobs/") || strings.Contains(e.Path, "/manifests/sha256:"))
		if _, blob, ok := strings.Cut(e.Path, "/blobs/"); ok && e.Method == "GET" {
			if blob, _, _ = strings.Cut(blob, "?"); first == "" {
				first = blob
			}
			if blob == first {
				s.Blob = appendNew(s.Blob, where)
			}
		}
		// What comes by HEAD of blobs is a digest that no host has a manifest for.
		if content || strings.Contains(e.Path, "/blobs/") {
			resolving = false
		}
		if !resolving {
			continue
		}
		s.Hosts = appendNew(s.Hosts, where)
		if !byReference {
			continue
		}
		resolved = len(s.Hosts)
		// 2.4 asks again by GET what it was forbidden, to read why.
		at := where + e.Path
		if e.Method == "GET" && at == forbidden {
			continue
		}
		forbidden = ""
		if e.Status == 403 {
			forbidden = at
		}
		text := e.Method + " " + at
		for _, more := range []string{e.Authorization, e.Header} {
			if more != "" {
				text += " " + more
			}
		}
		s.Requests = appendNew(s.Requests, text)
	}
	if !resolving {
		// What came after the last request for the name was for the content.
		s.Hosts = s.Hosts[:resolved]
	}
	return s
}

func appendNew(all []string, s string) []string {
	if len(all) > 0 && all[len(all)-1] == s {
		return all
	}
	return append(all, s)
}

// Result is one case on one release: what containerd did, and what the trace said.
type Result struct {
	Case, Release string
	// Pull is what came of the pull, Trace of asking the hosts as the trace does.
	Pull, Trace Seen
	// Attempts are the hosts that containerd says it asks, in order, and Predicted those that
	// the trace tells from the files alone, as far as containerd went.
	Attempts, Predicted []string
	// Says is the trace's verdict. Known are the hosts that it does not ask for a layer, for
	// they refused before. Stopped: it takes the first answer for the end, where containerd
	// fetches what it cannot use.
	Says    string
	Known   []string
	Stopped bool
}

// Disagreements are empty where the trace is right.
func (r *Result) Disagreements() (all []string) {
	differ := func(what string, pull, trace any) {
		all = append(all, fmt.Sprintf("%s: containerd %v, the trace %v", what, pull, trace))
	}
	if r.Pull.OK != r.Trace.OK {
		differ("result", map[bool]string{true: "pulls", false: "fails"}[r.Pull.OK], r.Says)
	}
	if !slices.Equal(r.Attempts, r.Predicted) {
		differ("order", r.Attempts, r.Predicted)
	}
	if !slices.Equal(r.Pull.Hosts, r.Trace.Hosts) {
		differ("hosts", r.Pull.Hosts, r.Trace.Hosts)
	}
	if !slices.Equal(r.Pull.Requests, r.Trace.Requests) {
		differ("requests", r.Pull.Requests, r.Trace.Requests)
	}
	known := func(where string) bool {
		return slices.Contains(r.Known, where) && !slices.Contains(r.Trace.Blob, where)
	}
	if asked := slices.DeleteFunc(slices.Clone(r.Pull.Blob), known); !r.Stopped && !slices.Equal(asked, r.Trace.Blob) {
		differ("content", asked, r.Trace.Blob)
	}
	return all
}
