package impact

import (
	"time"

	"github.com/pullway/pullway/internal/config"
)

// Change is what is going to be done, and to which nodes.
type Change struct {
	Desired config.Desired
	// Machines are the nodes of the inventory. Nil means every node of the cluster,
	// and that none was asked.
	Machines []Machine
	// Window is how long the change may take from Now on.
	Now    time.Time
	Window time.Duration
}

// DefaultWindow is how long a change may take where nothing is said.
const DefaultWindow = time.Hour

// Machine is one node of the inventory.
type Machine struct {
	Name string
	// Node is an index into Cluster.Nodes; -1 when the cluster has no such node.
	Node int32
	// Wave of the rollout; -1 when it takes no part in it.
	Wave int
	// Asked tells that the node answered; nothing below is known else.
	Asked bool
	// Problem is why it did not, or would be refused.
	Problem string
	// Unchanged: it is as desired, nothing is done there.
	Unchanged bool
	Restart   bool
	Why       string
	// Recreates is why the restart of containerd ends or recreates every pod; empty
	// when it does not.
	Recreates string
	// Wired is what it has now; nil when it is not known.
	Wired []Wired
	// Images by its own CRI; they are all it has.
	Images *ImageSet
	// Endpoints as it reaches them.
	Endpoints []Endpoint
}

// Wired is where a node pulls the images of a host from now.
type Wired struct {
	// Host as in image references, or "*".
	Host string
	// URLs asked in turn; see URLs.
	URLs []string
}

// Answers are what the registries told the one who assesses.
type Answers struct {
	Endpoints []Endpoint
	// Found tells of an endpoint and an image whether it has it. What is not there
	// was not asked.
	Found map[Question]Found
}

// Question is whether an endpoint has an image.
type Question struct {
	// Registry is a host of the specification, or a host that it serves by "*".
	Registry, URL string
	// Image is normalised.
	Image string
}

// Found is an answer to a Question.
type Found struct {
	Has bool
	// Login: it does not tell, or give, without a user name and password.
	Login bool
	// Fault is why not in one word, as that of an Endpoint, and Error in one line.
	Fault, Error string
}

// Upstream is the URL of the registry that an image names by its host.
func Upstream(host string) string {
	if host == config.DockerHub {
		return "https://registry-1.docker.io"
	}
	return "https://" + host
}

// URLs are the endpoints that are asked for images of host in turn, once a node is
// as desired; the upstream is the last one where it is one. ok is false when the
// specification does not name the host.
func URLs(d config.Desired, host string) (urls []string, ok bool) {
	r, ok := d.RegistryFor(host)
	if !ok {
		return nil, false
	}
	for _, e := range r.Endpoints {
		urls = append(urls, e.URL)
	}
	if r.Fallback == "upstream" {
		urls = withLast(urls, Upstream(host))
	}
	return urls, true
}

func withLast(urls []string, last string) []string {
	for _, u := range urls {
		if u == last {
			return urls
		}
	}
	return append(urls, last)
}

// wiredFor are the endpoints asked for images of host now.
func (m *Machine) wiredFor(host string) []string {
	var any []string
	for _, w := range m.Wired {
		switch w.Host {
		case host:
			return w.URLs
		case config.AnyHost:
			any = w.URLs
		}
	}
	if any != nil {
		return withLast(append([]string(nil), any...), Upstream(host))
	}
	return []string{Upstream(host)}
}
