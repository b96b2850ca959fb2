package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
)

// survey tells what assess wants to know of the node. It takes no lock and changes
// nothing. A node in the middle of somebody's change is told as it is now.
func (e *Engine) survey(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	o, made, desired, err := e.made(ctx, req)
	if err != nil {
		return nil, err
	}
	defer o.close()
	s := &protocol.Survey{Plan: made.Node, Export: *exportOf(o)}
	if o.cri == nil {
		s.ImagesError = "containerd does not run"
	} else if refs, err := o.cri.ImageRefs(ctx); err != nil {
		s.ImagesError = oneLine(err)
	} else {
		for _, r := range refs {
			s.Images = append(s.Images, r.Name)
		}
	}
	s.Endpoints = askAll(ctx, desired, req.Logins, req.Images)
	return &protocol.Reply{Survey: s}, nil
}

// imagesWithin bounds all registries that are asked for images.
const imagesWithin = time.Minute

// askAll asks every endpoint once, at most eight at a time, and for the images that
// would come from it.
func askAll(ctx context.Context, d config.Desired, logins, images []string) (all []protocol.Asked) {
	within := askWithin
	if len(images) > 0 {
		within = imagesWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, r := range d.Registries {
		for _, ep := range r.Endpoints {
			all = append(all, protocol.Asked{Registry: r.Host, URL: ep.URL})
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	i := 0
	for _, r := range d.Registries {
		auth := r.Auth
		if !slices.Contains(logins, r.Host) {
			auth = nil
		}
		names, asked := imagesFrom(d, r, images)
		for _, ep := range r.Endpoints {
			to := &all[i]
			i++
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				_, found, err := registry.Look(ctx, ep, auth, asked, registry.Options{})
				to.Fault, to.Error, to.Hint = faultOf(err)
				for k, err := range found {
					one := protocol.AskedImage{Image: names[k]}
					one.Fault, one.Error, _ = faultOf(err)
					to.Images = append(to.Images, one)
				}
			})
		}
	}
	wg.Wait()
	return all
}

// imagesFrom are those of the images that the registry serves.
func imagesFrom(d config.Desired, r config.Registry, images []string) (names []string, asked []registry.Image) {
	for _, text := range images {
		im, err := config.ParseImage(text)
		if err != nil {
			continue
		}
		if of, ok := d.RegistryFor(im.Host); ok && of.Host == r.Host {
			names, asked = append(names, text), append(asked, registry.ImageOf(im))
		}
	}
	return names, asked
}

// faultOf is what went wrong, as it is told.
func faultOf(err error) (fault, text, hint string) {
	var re *registry.Error
	switch {
	case errors.As(err, &re):
		return string(re.Kind), re.Text, re.Hint
	case err != nil:
		return string(registry.Other), oneLine(err), ""
	}
	return "", "", ""
}
