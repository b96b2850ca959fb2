package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/trace"
)

// Bounds of what doctor asks: hosts, each with a time-out, and all of them.
const (
	mostAsked      = 64
	doctorTimeout  = 3 * time.Second
	doctorAllAsked = 20 * time.Second
)

// askHosts asks the hosts that the files of this node name whether they answer as
// they are written. Public registries are left alone, and no credential is sent: a
// wrong one of many nodes locks its user out.
func (o *observation) askHosts(ctx context.Context) []doctor.Asked {
	ways := map[doctor.Asked]trace.Way{}
	var order []doctor.Asked
	for _, dir := range o.Tree.Registry().HostsDirs {
		entries, _ := os.ReadDir(dir) // what cannot be read is told by the rules
		for _, e := range entries {
			for _, w := range o.waysOf(e.Name()) {
				if _, known := ways[w.asked]; !known && len(order) < mostAsked {
					ways[w.asked] = w.way
					order = append(order, w.asked)
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorAllAsked)
	defer cancel()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range order {
		w := ways[order[i]]
		to := &order[i]
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			to.BasicOnly, to.Fault, to.Text = askAnonymously(ctx, w)
		})
	}
	wg.Wait()
	return order
}

type askedWay struct {
	asked doctor.Asked
	way   trace.Way
}

// waysOf are the hosts that a host directory names.
func (o *observation) waysOf(name string) (all []askedWay) {
	host := hoststoml.HostOf(name)
	if name == hoststoml.DefaultName {
		host = ProbeHost
	}
	image, err := config.ParseImage(host + "/pullway/doctor:probe")
	if err != nil || image.Host != host && host != "docker.io" {
		return nil
	}
	t, ways := trace.Order(os.DirFS("/"), o.Tree, image)
	for i, h := range t.Hosts {
		file, line := placeOf(h.At)
		if i >= len(ways) || h.Upstream || file == "" || filepath.Base(filepath.Dir(file)) != name {
			continue
		}
		at, ok := hoststoml.EndpointOf(h.URL, true)
		if !ok || hoststoml.PublicRegistry(hoststoml.WithoutPort(at.Host)) || at.Host == "registry-1.docker.io" || at.Host == ProbeHost {
			continue
		}
		w := ways[i]
		given := w.Auth != nil || slices.ContainsFunc(w.Endpoint.Headers, isAuthorization)
		mirror := !strings.EqualFold(at.Host, image.Host)
		w.Auth = nil
		w.Endpoint.Headers = slices.DeleteFunc(slices.Clone(w.Endpoint.Headers), isAuthorization)
		all = append(all, askedWay{doctor.Asked{File: file, Line: line, URL: at.Scheme + "://" + at.Host, Mirror: mirror, Credential: given}, w})
	}
	return all
}

// placeOf takes FILE:LINE apart.
func placeOf(at string) (file string, line int) {
	i := strings.LastIndexByte(at, ':')
	if i < 0 {
		return at, 0
	}
	line, err := strconv.Atoi(at[i+1:])
	if err != nil {
		return at, 0
	}
	return at[:i], line
}

// askAnonymously asks one host what it is. One that containerd asks by plain HTTP
// where TLS does not answer is asked so.
func askAnonymously(ctx context.Context, w trace.Way) (basicOnly bool, fault, text string) {
	opt := registry.Options{Timeout: doctorTimeout}
	a, err := registry.Ask(ctx, w.Endpoint, nil, nil, opt)
	if fault, text, _ = faultOf(err); w.HTTP != "" && fault == string(registry.HTTPSOnHTTP) {
		a, err = registry.Ask(ctx, w.Plain(), nil, nil, opt)
		fault, text, _ = faultOf(err)
	}
	return a.BasicOnly, fault, text
}
