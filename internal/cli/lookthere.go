package cli

import (
	"context"
	"slices"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
)

// lookUpThere has one node ask for the images that nobody could ask for from here,
// at endpoints that it reaches, with the credential: what one node sends wrong locks
// nobody out for long. What it is told goes into answers.Found and into machines.
func (a *app) lookUpThere(ctx context.Context, fn *fleetNodes, machines []impact.Machine, req protocol.Request, questions []impact.Question, answers impact.Answers) {
	at := -1
	req.Images, req.Logins, at = unanswered(machines, questions, answers)
	if at < 0 {
		return
	}
	one := *fn
	one.targets = fn.targets[at : at+1]
	for _, r := range a.ask(ctx, &one, req, surveyWithin) {
		if r.Err != nil || r.Reply.Survey == nil {
			a.warn("the images could not be asked for from "+r.Target.Name, "")
			continue
		}
		for _, e := range r.Reply.Survey.Endpoints {
			if e.Fault != "" {
				holdsForAll(machines, asked(e))
			}
			for _, im := range e.Images {
				if ref, err := config.ParseImage(im.Image); err == nil {
					answers.Found[impact.Question{Registry: ref.Host, URL: e.URL, Image: im.Image}] = impact.Found{
						Has: im.Fault == "", Login: im.Fault == string(registry.BadCredential), Fault: im.Fault, Error: im.Error}
				}
			}
		}
	}
}

// unanswered are the images of questions without an answer, the registries that they
// are to be asked for at, and the first node that reaches one; -1 when none does.
func unanswered(machines []impact.Machine, questions []impact.Question, answers impact.Answers) (images, registries []string, at int) {
	at = -1
	for _, q := range questions {
		if _, known := answers.Found[q]; known {
			continue
		}
		for i := range machines {
			e := slices.IndexFunc(machines[i].Endpoints, func(e impact.Endpoint) bool { return e.URL == q.URL && e.OK })
			if e < 0 || at >= 0 && at != i {
				continue
			}
			at = i
			if !slices.Contains(images, q.Image) {
				images = append(images, q.Image)
			}
			if host := machines[i].Endpoints[e].Registry; !slices.Contains(registries, host) {
				registries = append(registries, host)
			}
			break
		}
	}
	return images, registries, at
}

// holdsForAll: an endpoint that answers and does not take the credential does so
// wherever it is asked from.
func holdsForAll(machines []impact.Machine, wrong impact.Endpoint) {
	for i := range machines {
		for j, had := range machines[i].Endpoints {
			if had.Registry == wrong.Registry && had.URL == wrong.URL && had.OK {
				machines[i].Endpoints[j] = wrong
			}
		}
	}
}

// asked is what an endpoint told a node.
func asked(e protocol.Asked) impact.Endpoint {
	return impact.Endpoint{Registry: e.Registry, URL: e.URL, Asked: true, OK: e.Fault == "", Error: e.Error, Hint: e.Hint, Fault: e.Fault}
}
