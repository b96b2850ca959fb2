package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/trace"
)

const (
	// traceWithin bounds all hosts of one trace.
	traceWithin = 2 * time.Minute
	// aheadAfter is when the hosts after the first are connected to, in case that
	// it does not answer.
	aheadAfter = 250 * time.Millisecond
)

// containerdWaits are containerd's own time-outs (DefaultHTTPTransport and newTransport:
// 1.6 to 2.4); for an answer it has one since 2.3 only, and waits longer before.
var containerdWaits = registry.Waits{Connect: 30 * time.Second, TLS: 10 * time.Second, Answer: 30 * time.Second}

// ContainerdOptions ask with containerd's time-outs.
func ContainerdOptions() registry.Options {
	waits := containerdWaits
	return registry.Options{Timeout: waits.Connect + waits.TLS + waits.Answer, Waits: &waits}
}

// AskHosts asks the hosts of a trace as containerd would and gives the verdict. tell
// is told of each host that is asked.
func AskHosts(ctx context.Context, t *trace.Trace, ways []trace.Way, image config.Image, opt registry.Options, tell func(url string)) {
	ctx, cancel := context.WithTimeout(ctx, traceWithin)
	defer cancel()
	throughProxy(t, ways, opt.ProxyOf)
	g := newGuests(ways, registry.ImageOf(image), opt)
	defer g.close()
	stop := g.ahead(ctx, t)
	defer stop()
	t.Ask(ctx, ways, func(ctx context.Context, i int, w trace.Way) trace.Answer {
		tell(w.Endpoint.URL)
		return g[i].resolve(ctx)
	})
	t.Fetch(ctx, ways, runtime.GOARCH, func(ctx context.Context, i int, _ trace.Way, p trace.Part) (trace.Answer, []byte) {
		return g[i].fetch(ctx, p)
	})
}

// guest is one host as it is asked over and over.
type guest struct {
	way   trace.Way
	image registry.Image
	opt   registry.Options
	visit *registry.Visit
	bad   error
	// plain tells that it is asked by plain HTTP, where TLS did not answer.
	plain bool
}

type guests []*guest

func newGuests(ways []trace.Way, image registry.Image, opt registry.Options) guests {
	all := make(guests, len(ways))
	for i, w := range ways {
		g := &guest{way: w, image: image, opt: opt}
		g.visit, g.bad = g.walk().Visit(w.Endpoint, w.Auth, image, opt)
		all[i] = g
	}
	return all
}

func (all guests) close() {
	for _, g := range all {
		if g.visit != nil {
			g.visit.Close()
		}
	}
}

// ahead connects to the hosts after the first once that one takes its time, so that
// hosts where nobody answers have their time-outs side by side.
func (all guests) ahead(ctx context.Context, t *trace.Trace) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(aheadAfter, func() {
		for i, g := range all {
			if i > 0 && g.visit != nil && t.Broken == nil {
				g.visit.Ahead(ctx)
			}
		}
	})
	return func() { timer.Stop(); cancel() }
}

func (g *guest) walk() registry.Walk {
	return registry.Walk{Namespace: g.way.Namespace, HeaderToToken: g.way.HeaderToToken}
}

// resolve asks what the image's name stands for.
func (g *guest) resolve(ctx context.Context) trace.Answer {
	var named registry.Named
	a := g.ask(ctx, func(v *registry.Visit) (stops bool, err error) {
		named, stops, err = v.Resolve(ctx)
		return stops, err
	})
	a.Digest, a.MediaType = named.Digest, named.MediaType
	return a
}

func (g *guest) fetch(ctx context.Context, p trace.Part) (a trace.Answer, data []byte) {
	return g.ask(ctx, func(v *registry.Visit) (stops bool, err error) {
		if p.Layer {
			return false, v.Layer(ctx, p.Digest, p.MediaType)
		}
		data, stops, err = v.Fetch(ctx, p.Digest, p.MediaType)
		return stops, err
	}), data
}

// ask puts one question. A host with HTTPSFirst is asked by plain HTTP where TLS does
// not answer, and from then on.
func (g *guest) ask(ctx context.Context, question func(*registry.Visit) (stops bool, err error)) trace.Answer {
	began := time.Now()
	if g.bad != nil {
		a := trace.Answer{Steps: []trace.Step{}}
		a.Fault, a.Text, a.Hint = faultOf(g.bad)
		return a
	}
	stops, err := question(g.visit)
	steps := g.visit.Steps()
	if !g.plain && g.way.HTTP != "" && fallsBack(err, g.way.Endpoint.URL) {
		g.plain = true
		g.visit.Close()
		steps = append(steps, registry.Step{Name: "http", Text: "no TLS there, so again by plain HTTP"})
		if g.visit, err = g.walk().Visit(g.way.Plain(), g.way.Auth, g.image, g.opt); err == nil {
			stops, err = question(g.visit)
			steps = append(steps, g.visit.Steps()...)
		}
	}
	a := trace.Answer{Steps: []trace.Step{}, Took: time.Since(began), HTTP: g.plain}
	tokens := false
	for _, s := range steps {
		tokens = tokens || s.Name == "token"
		a.Steps = append(a.Steps, trace.Step{Name: s.Name, Text: s.Text, Took: s.Took})
	}
	g.explain(&a, err, tokens)
	if stops {
		a.Then = trace.ThenStops
	}
	return a
}

// fallsBack is when containerd asks by plain HTTP after all: something answers TLS in plain
// text, or not at all, or no port is said and there is no connection (httpFallback in
// core/remotes/docker/resolver.go).
func fallsBack(err error, at string) bool {
	var re *registry.Error
	if !errors.As(err, &re) {
		return false
	}
	u, bad := url.Parse(at)
	switch re.Kind {
	case registry.HTTPSOnHTTP:
		return true
	case registry.Timeout:
		return strings.Contains(errorText(re), "TLS handshake timeout") || bad == nil && u.Port() == ""
	case registry.Unreachable:
		return bad == nil && u.Port() == ""
	}
	return false
}

func errorText(e *registry.Error) string {
	if cause := e.Unwrap(); cause != nil {
		return cause.Error()
	}
	return ""
}

// explain puts a failure in the words of a node's own files.
func (g *guest) explain(a *trace.Answer, err error, tokens bool) {
	a.Fault, a.Text, a.Hint = faultOf(err)
	if hint, ok := onNode[registry.Kind(a.Fault)]; ok {
		a.Hint = hint
	}
	var re *registry.Error
	if !errors.As(err, &re) {
		return
	}
	var op *net.OpError
	switch {
	case strings.Contains(errorText(re), "proxyconnect"):
		a.Hint = "check the proxy in containerd's environment (systemctl show containerd -p Environment), or add the host to NO_PROXY there and restart containerd"
	case re.Kind == registry.Timeout && g.opt.Waits != nil && errors.As(re, &op) && op.Op == "dial":
		a.Text = fmt.Sprintf("no connection within %s, containerd's own time-out", g.opt.Waits.Connect)
		a.Hint = "check that the port is open from here and no firewall drops packets; dial_timeout of this host in hosts.toml makes containerd wait less (since 2.1)"
		if d := g.way.Endpoint.DialTimeout; d > 0 {
			a.Text = fmt.Sprintf("no connection within %s, the dial_timeout of this host", d)
			a.Hint = "check that the port is open from here and no firewall drops packets"
		}
	case (re.Kind == registry.BadCredential || re.Kind == registry.NoRights) && tokens && !g.way.HeaderToToken && slices.ContainsFunc(g.way.Endpoint.Headers, isAuthorization):
		a.Hint = "use image pull secrets, or upgrade containerd to 2.1: before, it does not send the Authorization header to the token service"
	}
}
