package node

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/trace"
)

// traceWithin bounds all hosts of one trace.
const traceWithin = 2 * time.Minute

// trace says where a pull of an image goes from this node, and asks each host as
// containerd would. It takes no lock and changes nothing.
func (e *Engine) trace(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	image, err := config.ParseImage(req.Image)
	if err != nil {
		return nil, &protocol.Error{Kind: protocol.ErrInvalid, Text: err.Error()}
	}
	e.tell(protocol.StepObserve, "")
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, err
	}
	defer o.close()
	t, ways := trace.Order(os.DirFS("/"), o.Tree, image)
	if n := plan.NotLoadedOf(o.Observed); n != nil {
		t.Notes = append(t.Notes, plan.Notice{ID: "not-loaded", Text: "containerd may run on other settings than its files have: " + strings.Join(plan.NotLoadedReasons(o.Observed), "; "),
			Hint: "restart containerd, then trace again"})
	}
	ctx, cancel := context.WithTimeout(ctx, traceWithin)
	defer cancel()
	t.Ask(ctx, ways, func(ctx context.Context, w trace.Way) trace.Answer {
		e.tell(protocol.StepProbe, w.Endpoint.URL)
		return askWay(ctx, w, registry.ImageOf(image), registry.Options{})
	})
	return &protocol.Reply{Trace: t}, nil
}

// askWay asks one host. One with HTTPSFirst is asked by plain HTTP where TLS does
// not answer.
func askWay(ctx context.Context, w trace.Way, image registry.Image, opt registry.Options) trace.Answer {
	began := time.Now()
	walk := registry.Walk{Namespace: w.Namespace, HeaderToToken: w.HeaderToToken}
	steps, stops, err := walk.Ask(ctx, w.Endpoint, w.Auth, image, opt)
	plain := false
	if fault, _, _ := faultOf(err); w.HTTP != "" && (fault == string(registry.HTTPSOnHTTP) || fault == string(registry.Unreachable)) {
		plain = true
		again := w.Endpoint
		again.URL, again.CA, again.Cert = w.HTTP, nil, nil
		var more []registry.Step
		more, stops, err = walk.Ask(ctx, again, w.Auth, image, opt)
		steps = append(append(steps, registry.Step{Name: "http", Text: "no TLS there, so again by plain HTTP"}), more...)
	}
	a := trace.Answer{Steps: []trace.Step{}, Took: time.Since(began), HTTP: plain}
	tokens := false
	for _, s := range steps {
		tokens = tokens || s.Name == "token"
		a.Steps = append(a.Steps, trace.Step{Name: s.Name, Text: s.Text, Took: s.Took})
	}
	a.Fault, a.Text, a.Hint = faultOf(err)
	if stops {
		a.Then = trace.ThenStops
	}
	if hint, ok := onNode[registry.Kind(a.Fault)]; ok {
		a.Hint = hint
	}
	var re *registry.Error
	if errors.As(err, &re) && (re.Kind == registry.BadCredential || re.Kind == registry.NoRights) && tokens && !w.HeaderToToken && slices.ContainsFunc(w.Endpoint.Headers, isAuthorization) {
		a.Hint = "use image pull secrets, or upgrade containerd to 2.1: before, it does not send the Authorization header to the token service"
	}
	return a
}

func isAuthorization(h config.Header) bool { return strings.EqualFold(h.Name, "Authorization") }

// onNode are hints in the words of a node's own files, where the registry's speak of
// a specification.
var onNode = map[registry.Kind]string{
	registry.HTTPOnHTTPS:   "write https:// for this host",
	registry.HTTPSOnHTTP:   "write http:// for this host, if plain HTTP is meant",
	registry.UnknownCA:     "name the authority's certificate as ca of this host in hosts.toml",
	registry.ClientCert:    "name a client certificate that the server accepts as client of this host in hosts.toml",
	registry.BadCredential: "check the user name and password; a robot's name has its prefix, such as robot$team+name, and robots expire",
	registry.MissingImage:  "check the image's path and tag, and push it if it is not there",
	registry.NotARegistry:  "check host, port and path of this host; a path may want override_path",
}
