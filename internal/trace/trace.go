// Package trace says where containerd sends the pull of one image: the hosts that
// it tries in their order, what decided so, and what comes of it once each host has
// answered. It is pure: files come from an fs.FS, answers from whoever asked.
//
// Sources: containerd remotes/docker (1.5 to 1.7), core/remotes/docker,
// core/transfer/registry and internal/cri/server/images (2.x). The order of a
// hosts.toml is compared with containerd's own package in the tests.
package trace

import (
	"time"

	"github.com/pullway/pullway/internal/plan"
)

// Decided is what decides where a pull goes.
type Decided string

// The values of Decided.
const (
	// ByHostsFile: a hosts.toml. ByDockerFiles: *.crt and *.cert files beside none
	// that is valid. ByEmptyDirectory: a host directory with neither, which hides
	// _default.
	ByHostsFile      Decided = "hosts-file"
	ByDockerFiles    Decided = "docker-files"
	ByEmptyDirectory Decided = "empty-directory"
	// ByTables: the mirrors, configs and auths tables of config.toml.
	ByTables Decided = "tables"
	// ByNothing: no directory and no table, so the registry that the image names.
	ByNothing Decided = "nothing"
)

// Trace is the way of one image on one node.
type Trace struct {
	// Image is the whole reference, as containerd asks for it.
	Image string `json:"image"`
	// Release of containerd by whose rules this is.
	Release    string `json:"release"`
	ConfigFile string `json:"configFile"`
	// Pulls says whether the transfer service pulls or CRI by itself, and why.
	Pulls   string  `json:"pulls"`
	Decided Decided `json:"decided"`
	// Source is the directory, or the file and line, that decided; empty for nothing.
	Source string `json:"source,omitempty"`
	// Why is one line on what decided.
	Why string `json:"why"`
	// Hosts are in the order in which containerd tries them.
	Hosts []Host `json:"hosts"`
	// Notes are what else a person should know, such as what is ignored.
	Notes []plan.Notice `json:"notes,omitempty"`
	// Broken is why containerd fails the pull before it asks any host.
	Broken *plan.Notice `json:"broken,omitempty"`
	// Verdict is absent when no host was asked and nothing is broken.
	Verdict *Verdict `json:"verdict,omitempty"`
	// Pull is there when one was asked for.
	Pull *Pull `json:"pull,omitempty"`
}

// Host is one host as containerd would ask it. Values of headers and passwords are
// in none of its fields.
type Host struct {
	// URL is where the repositories are below.
	URL string `json:"url"`
	// At is the file and line that names it; empty for containerd's own default.
	At string `json:"at,omitempty"`
	// Upstream tells that it is the registry that the image names, which nothing
	// written names.
	Upstream     bool     `json:"upstream,omitempty"`
	Capabilities []string `json:"capabilities"`
	// Skipped is why containerd does not ask it for this image; empty when it does.
	Skipped string `json:"skipped,omitempty"`
	// HTTPSFirst: an http host with TLS keys is asked by https, then by http.
	HTTPSFirst bool     `json:"httpsFirst,omitempty"`
	SkipVerify bool     `json:"skipVerify,omitempty"`
	CA         []string `json:"ca,omitempty"`
	ClientCert []string `json:"clientCert,omitempty"`
	Headers    []string `json:"headers,omitempty"`
	// Login says which user name containerd has for it, and from where.
	Login string `json:"login,omitempty"`
	// Namespace is the ns parameter of each request; empty for none.
	Namespace   string `json:"ns,omitempty"`
	DialTimeout string `json:"dialTimeout,omitempty"`
	// Proxy is the address of the proxy that containerd uses for it.
	Proxy string `json:"proxy,omitempty"`
	// Answer is what it says of the image's name, absent when it was not asked for that.
	Answer *Answer `json:"answer,omitempty"`
	// Content is what it says when it is asked for the manifest and the first layer.
	Content *Answer `json:"content,omitempty"`
}

// Answer is what a host said.
type Answer struct {
	// Steps in their order: dns, connect, tls, manifest, token, and manifest again; of
	// content fetch, for a manifest, and layer.
	Steps []Step `json:"steps"`
	// HTTP tells that TLS did not answer, and that the rest is by plain HTTP.
	HTTP bool `json:"http,omitempty"`
	// Fault is one word, such as unreachable; empty when it gives the image.
	Fault string `json:"fault,omitempty"`
	Text  string `json:"text,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Then is what containerd does next.
	Then Then `json:"then"`
	// Took is the time of all steps.
	Took time.Duration `json:"took"`
	// Digest and MediaType are of the manifest that the image's name stands for.
	Digest    string `json:"digest,omitempty"`
	MediaType string `json:"mediaType,omitempty"`
}

// Step is one thing that was done to ask a host.
type Step struct {
	Name string        `json:"name"`
	Text string        `json:"text"`
	Took time.Duration `json:"took"`
}

// Then is what containerd does after an answer.
type Then string

// The values of Then.
const (
	ThenServes Then = "serves"
	ThenNext   Then = "next"
	// ThenFails: it was the last host.
	ThenFails Then = "fails"
	// ThenStops: the answer ends the pull, whatever hosts there are.
	ThenStops Then = "stops"
)

// Verdict is what comes of the pull.
type Verdict struct {
	Served bool `json:"served"`
	// By is the URL of the host that serves it.
	By string `json:"by,omitempty"`
	// Layers is the URL of the host that gives the first layer, where it is another.
	Layers string `json:"layers,omitempty"`
	// Text is one sentence, Hint what to do about it.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}
