package doctor

import (
	"errors"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/terminal"
)

// Node is what is looked at.
type Node struct {
	Files Files
	// Release of its containerd; the zero value judges for every line.
	Release containerd.Release
	// ConfigFile is containerd's root file; empty is the default one.
	ConfigFile string
	// HostsOnly leaves config.toml out: only HostsDir is looked at.
	HostsOnly bool
	HostsDir  string
	// OnlyHost looks at one host directory; empty for all.
	OnlyHost string
	// Live is what only the running node tells; nil for files.
	Live *Live
}

// Live is what only the running node tells.
type Live struct {
	// Started is when containerd started; zero when it does not run.
	Started time.Time
	// KillMode of its unit; empty without one.
	KillMode string
	// Images that CRI has, by name.
	Images []string
	// Asked are hosts that the files name, with what they answered.
	Asked []Asked
}

// Report is what was found on one node.
type Report struct {
	// Release that was judged for; empty for every line.
	Release  string    `json:"release,omitempty"`
	Findings []Finding `json:"findings"`
	// More is how many findings were left out beyond MaxFindings.
	More int `json:"more,omitempty"`
	// Unread are files that could not be looked at, with the reason.
	Unread []Unread `json:"unread,omitempty"`
}

// MaxFindings bounds what is told of one node; the worst stay.
const MaxFindings = 2000

// Unread is a file that could not be looked at.
type Unread struct {
	File string `json:"file"`
	Text string `json:"text"`
	// Outside tells that it was not among the files that were given: no failure.
	Outside bool `json:"outside,omitempty"`
}

// Examine looks at a node. The result is the same for the same files; time and
// memory are bounded by MaxFile, MaxEntries and the limits of the parsers.
func Examine(n Node) Report {
	if n.ConfigFile == "" {
		n.ConfigFile = containerd.DefaultConfigFile
	}
	s := newSight(n)
	releases := judged(n.Release)
	var found [][]Finding
	for _, rel := range releases {
		found = append(found, s.judge(rel))
	}
	r := Report{Findings: merged(releases, found), Unread: s.unread}
	if n.Release != (containerd.Release{}) {
		r.Release = n.Release.String()
	}
	if n := len(r.Findings); n > MaxFindings {
		r.Findings, r.More = r.Findings[:MaxFindings], n-MaxFindings
	}
	r.Unread = r.Unread[:min(len(r.Unread), MaxFindings)]
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return r
}

// sight is a node as it was read, once for all releases.
type sight struct {
	Node
	files  *remembered
	reader *configtoml.Reader
	dirs   map[string]*hostsDir
	unread []Unread
	// unreadable are the files of unread.
	unreadable map[string]bool
	unit       *unit
	images     []string
}

func newSight(n Node) *sight {
	if f, ok := n.Files.(Folder); ok {
		f.plain = map[string]bool{}
		n.Files = f
	}
	s := &sight{Node: n, files: remember(n.Files), dirs: map[string]*hostsDir{}, unreadable: map[string]bool{}}
	s.reader = configtoml.NewReader(configSource{s})
	if !n.HostsOnly {
		s.unit = readUnit(s.files)
		s.images = staticImages(s.files)
		if n.Live != nil {
			s.images = append(s.images, n.Live.Images...)
		}
	}
	return s
}

// failed notes a file that could not be looked at, once.
func (s *sight) failed(file string, err error) {
	if s.unreadable[file] {
		return
	}
	s.unreadable[file] = true
	u := Unread{file, oneLine(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "read configuration: "), file+": ")), errors.Is(err, ErrOutside)}
	s.unread = append(s.unread, u)
}

// look is a node as one release sees it.
type look struct {
	*sight
	rel   containerd.Release
	tree  *configtoml.Tree
	reg   configtoml.Registry
	dirs  []*hostsDir
	found []Finding
}

// judge finds everything for one release.
func (s *sight) judge(rel containerd.Release) []Finding {
	l := &look{sight: s, rel: rel}
	if !s.HostsOnly {
		tree, err := s.reader.Load(s.ConfigFile, rel)
		if err != nil {
			s.failed(s.ConfigFile, err)
		} else {
			l.tree, l.reg = tree, tree.Registry()
			l.config()
		}
	}
	l.choose()
	for _, d := range l.dirs {
		l.layout(d)
		for i := range d.hosts {
			l.host(d, &d.hosts[i])
		}
	}
	if l.tree != nil {
		l.asked()
		l.onThisMachine()
		l.sandbox()
		l.readOnly()
	}
	l.daemon()
	if l.Live != nil {
		l.answers()
	}
	return l.found
}

// add takes a finding; its severity is the rule's unless it has one.
func (l *look) add(f Finding) {
	if f.Severity == "" {
		f.Severity = byID[f.Rule].Severity
	}
	// Names of files may hold anything.
	f.Text, f.Hint = terminal.Clean(f.Text), terminal.Clean(f.Hint)
	l.found = append(l.found, f)
}

// choose picks the hosts directories: those that are read, else those that the
// configuration names, else the usual one.
func (l *look) choose() {
	paths := []string{l.HostsDir}
	if l.tree != nil {
		paths = l.reg.HostsDirs
		for p := range strings.SplitSeq(l.reg.ConfigPath, ":") {
			if len(l.reg.HostsDirs) == 0 && p != "" {
				paths = append(paths, p)
			}
		}
	}
	if len(paths) == 0 || paths[0] == "" {
		paths = []string{defaultHostsDir}
	}
	for _, p := range paths {
		d := l.hostsDir(p)
		if d.outside {
			l.failed(p, ErrOutside)
		}
		l.dirs = append(l.dirs, d)
	}
}

const defaultHostsDir = "/etc/containerd/certs.d"

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
