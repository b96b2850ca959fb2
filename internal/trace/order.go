package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/plan"
)

// Way is a host with what is needed to ask it, secrets included.
type Way struct {
	// Endpoint is complete: its URL has the path that is asked.
	Endpoint config.Endpoint
	// Auth is what containerd has for the host; nil for none.
	Auth *config.Auth
	// HTTP is the same host by plain HTTP, asked where TLS does not answer; empty
	// where https is not merely tried first.
	HTTP string
	// HeaderToToken: an Authorization header goes to the token service, too.
	HeaderToToken bool
	Namespace     string
	// unaskable is why it cannot be asked by us; see Host.Skipped for containerd.
	unaskable string
}

// Plain is the endpoint at HTTP, where no certificate plays a part.
func (w Way) Plain() config.Endpoint {
	e := w.Endpoint
	e.URL, e.CA, e.Cert = w.HTTP, nil, nil
	return e
}

// Order says where a pull of image goes, from the files of a node and the
// configuration that was loaded from them. ways has one for each host. Host
// directories are read as they are now, as containerd does at each pull.
func Order(files fs.FS, tree *configtoml.Tree, image config.Image) (t *Trace, ways []Way) {
	o := orderer{files: source{files}, rel: tree.Release, registry: tree.Registry(), image: image}
	o.out = &Trace{Image: image.String(), Release: tree.Release.String(), ConfigFile: tree.Root, Hosts: []Host{}}
	switch {
	case !o.registry.LocalPull:
		o.out.Pulls = o.registry.LocalPullReason
	case o.rel.HasTransferService():
		o.out.Pulls = "CRI pulls by itself, because " + o.registry.LocalPullReason
	default:
		o.out.Pulls = "CRI pulls by itself, as always before 2.1"
	}
	for _, p := range tree.Problems() {
		o.note(p.ID, p.Hint, "%s:%d: %s", p.Pos.File, p.Pos.Line, p.Text)
	}
	o.decide()
	if strings.HasPrefix(image.Host, "[") && !o.rel.TakesIPv6References() {
		o.broken("ipv6-reference", "give the registry a name, or upgrade to 1.7", "containerd %s takes no image reference with an IPv6 address", o.rel)
	}
	if len(o.registry.HeaderNames) > 0 {
		o.note("global-headers", "", "containerd adds the headers of registry.headers to every request (%s); a trace does not send them", strings.Join(o.registry.HeaderNames, ", "))
	}
	if o.out.Broken != nil {
		o.out.Hosts, o.ways = []Host{}, nil
		o.out.Verdict = &Verdict{Text: "The pull fails before any host is asked: " + o.out.Broken.Text + ".", Hint: o.out.Broken.Hint}
	}
	return o.out, o.ways
}

type orderer struct {
	files    source
	rel      containerd.Release
	registry configtoml.Registry
	image    config.Image
	out      *Trace
	ways     []Way
}

func (o *orderer) note(id, hint, format string, args ...any) {
	o.out.Notes = append(o.out.Notes, plan.Notice{ID: id, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// broken tells why every pull of the host fails; the first reason counts.
func (o *orderer) broken(id, hint, format string, args ...any) {
	if o.out.Broken == nil {
		o.out.Broken = &plan.Notice{ID: id, Text: fmt.Sprintf(format, args...), Hint: hint}
	}
}

func (o *orderer) decided(by Decided, source, format string, args ...any) {
	o.out.Decided, o.out.Source, o.out.Why = by, source, fmt.Sprintf(format, args...)
}

func (o *orderer) decide() {
	for _, dir := range o.registry.HostsDirs {
		if o.inHostsDir(dir) {
			return
		}
	}
	host := o.image.Host
	switch dirs := o.registry.HostsDirs; {
	case len(dirs) > 0:
		o.decided(ByNothing, "", "%s has no directory for %s, and no %s", strings.Join(dirs, ", "), host, hoststoml.DefaultName)
	case o.registry.LocalPull && o.legacy():
		return
	default:
		o.decided(ByNothing, "", "%s", o.registry.HostsNote)
	}
	o.entries([]hoststoml.Entry{hoststoml.Default(host, hoststoml.Host{}, o.rel)}, "/", "")
}

// inHostsDir reads one directory of config_path. false means that the next one counts.
func (o *orderer) inHostsDir(root string) bool {
	there, isDir, err := o.files.dir(root)
	switch {
	case err != nil || there && !isDir:
		o.decided(ByNothing, root, "config_path is not a directory")
		o.broken("HST014", "make a directory of it", "%s is not a directory that can be read, so every pull on this node fails", root)
		return true
	case !there:
		return false
	}
	name, found := hoststoml.Lookup(func(name string) bool {
		there, _, err := o.files.dir(path.Join(root, name))
		if err != nil {
			o.broken("HST014", "look at what stands there", "%s cannot be read", path.Join(root, name))
		}
		return there
	}, o.image.Host, o.rel)
	if !found {
		return o.out.Broken != nil
	}
	o.hostDir(path.Join(root, name), name)
	return true
}

func (o *orderer) hostDir(dir, name string) {
	file := path.Join(dir, hoststoml.FileName)
	which := "the directory of " + o.image.Host
	if name == hoststoml.DefaultName {
		which = "there is none for " + o.image.Host + ", so the one for all others counts"
	}
	data, err := o.files.ReadFile(file)
	if err != nil && !errorIsAbsence(err) {
		o.decided(ByHostsFile, file, "%s", which)
		o.broken("HST014", "look at what stands there", "%s cannot be read", file)
		return
	}
	if err != nil || len(data) == 0 {
		o.dockerFiles(dir, which+"; it has no hosts.toml with anything in it")
		return
	}
	doc, problems := hoststoml.Parse(data, o.rel)
	for _, p := range problems {
		o.note(p.ID, p.Hint, "%s:%d: %s", file, p.Line, p.Text)
	}
	all, discarded, crashes := hoststoml.Entries(doc, problems, o.image.Host, o.rel)
	switch {
	case crashes:
		o.decided(ByHostsFile, file, "%s", which)
		o.broken("HST027", "remove the keys that stand directly under [host]", "containerd %s crashes while it reads %s", o.rel, file)
	case discarded:
		o.dockerFiles(dir, "containerd "+o.rel.String()+" discards "+file+" as a whole, and goes on as if it were not there")
	default:
		o.decided(ByHostsFile, file, "%s", which)
		o.entries(all, dir, file)
	}
}

// dockerFiles is a host directory without a valid hosts.toml: the registry that the
// image names, with the authorities and client certificates that lie there.
func (o *orderer) dockerFiles(dir, why string) {
	var root hoststoml.Host
	entries, err := fs.ReadDir(o.files.files, name(dir))
	if err != nil {
		o.decided(ByEmptyDirectory, dir, "%s", why)
		o.broken("HST014", "make a directory of it", "%s is not a directory that can be read", dir)
		return
	}
	for _, e := range entries {
		switch base, ext := strings.TrimSuffix(e.Name(), path.Ext(e.Name())), path.Ext(e.Name()); ext {
		case ".crt":
			root.CA = append(root.CA, e.Name())
		case ".cert":
			root.Client = append(root.Client, [2]string{e.Name(), base + ".key"})
		}
	}
	by := ByEmptyDirectory
	if root.CA != nil || root.Client != nil {
		by = ByDockerFiles
	}
	o.decided(by, dir, "%s", why)
	o.entries([]hoststoml.Entry{hoststoml.Default(o.image.Host, root, o.rel)}, dir, "")
}

// legacy goes by the mirrors and configs tables. false means that nothing of them
// counts for the image.
func (o *orderer) legacy() bool {
	var own, any *configtoml.Mirror
	for i := range o.registry.Mirrors {
		switch m := &o.registry.Mirrors[i]; m.Host {
		case o.image.Host:
			own = m
		case "*":
			any = m
		}
	}
	mirror := hoststoml.LegacyMirror{Host: o.image.Host}
	at := ""
	if own == nil {
		own = any
	}
	if own != nil {
		mirror.Endpoints = own.Endpoints
		at = fmt.Sprintf("%s:%d", own.At.File, own.At.Line)
	}
	var tls []hoststoml.LegacyTLS
	for _, c := range o.registry.Configs {
		if c.TLS != nil {
			tls = append(tls, hoststoml.LegacyTLS{Host: c.Host, CAFile: c.TLS.CAFile, CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, InsecureSkipVerify: c.TLS.InsecureSkipVerify})
		}
	}
	dirs, problems := hoststoml.FromLegacy([]hoststoml.LegacyMirror{mirror}, tls, o.rel)
	i := slices.IndexFunc(dirs, func(d hoststoml.Directory) bool { return d.Name == o.image.Host })
	if i < 0 {
		return false
	}
	for _, p := range problems {
		o.note(p.ID, p.Hint, "%s", p.Text)
	}
	if own == nil && at == "" && len(o.registry.Configs) == 0 {
		o.decided(ByNothing, "", "%s, and no mirrors table is for %s", o.registry.HostsNote, o.image.Host)
	} else {
		if at == "" {
			at = fmt.Sprintf("%s:%d", o.registry.Configs[0].At.File, o.registry.Configs[0].At.Line)
		}
		o.decided(ByTables, at, "no host directory is read, so the tables of config.toml count")
	}
	all, _, _ := hoststoml.Entries(&dirs[i].Document, nil, o.image.Host, o.rel)
	up := hoststoml.Default(o.image.Host, hoststoml.Host{}, o.rel)
	for k := range all {
		// The last one is the upstream unless a mirror has its name.
		all[k].Upstream = k == len(all)-1 && k >= len(mirror.Endpoints) && all[k].Address == up.Address
	}
	o.entries(all, "/", "")
	return true
}

func errorIsAbsence(err error) bool { return errors.Is(err, fs.ErrNotExist) }
