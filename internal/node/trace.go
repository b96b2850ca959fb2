package node

import (
	"context"
	"os"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/trace"
)

// trace says where a pull of an image goes from this node, and asks each host as
// containerd would. It takes no lock and changes nothing, but for a pull that it is
// asked for.
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
	opt := ContainerdOptions()
	if opt.ProxyOf, err = o.proxy(); err != nil {
		t.Notes = append(t.Notes, plan.Notice{ID: "proxy", Text: "whether containerd uses a proxy cannot be read: " + oneLine(err)})
	}
	AskHosts(ctx, t, ways, image, opt, func(url string) { e.tell(protocol.StepProbe, url) })
	if req.Pull {
		e.tell(protocol.StepProve, image.String())
		if err := confirmByPull(ctx, o, t, image.String()); err != nil {
			return nil, err
		}
	}
	return &protocol.Reply{Trace: t}, nil
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
