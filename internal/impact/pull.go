package impact

import (
	"slices"
	"strings"
)

// outcome is what comes of a pull once the node is as desired.
type outcome uint8

const (
	works outcome = iota
	// unsure: nobody could tell; it counts as failing.
	unsure
	fails
)

// pull is what comes of a pull of one image on nodes of one class.
type pull struct {
	outcome outcome
	// changed: its endpoints are others than before, or may be.
	changed bool
	// bySecret: it depends on a pull secret of the pod, which was not tried.
	bySecret bool
	// why it fails, in one line, and lacking the endpoints that answer and do not give
	// the image: the others have to be made to answer first.
	why           string
	lacking       []string
	before, after []string
}

type pullKey struct {
	image   int32
	class   int16
	secrets bool
}

// pull works out, once, what comes of a pull of image im on the nodes of class k by
// a pod with or without pull secrets.
func (w *world) pull(im int32, k int16, secrets bool) pull {
	key := pullKey{im, k, secrets}
	p, ok := w.pulls[key]
	if !ok {
		p = w.workOut(&w.images[im], w.classes[k].machine, secrets)
		w.pulls[key] = p
	}
	return p
}

func (w *world) workOut(im *image, machine int32, secrets bool) pull {
	var m *Machine
	if machine >= 0 {
		m = &w.ch.Machines[machine]
	}
	after, named := URLs(w.ch.Desired, im.ref.Host)
	p := pull{after: after}
	known := m != nil && m.Asked && m.Wired != nil
	if known {
		p.before = m.wiredFor(im.ref.Host)
	}
	if !named {
		// Nothing is done about this host, so it is as good as it was.
		p.after = p.before
		return p
	}
	p.changed = (m == nil || !m.Unchanged) && (!known || !slices.Equal(p.before, p.after))
	var reasons []string
	maybe := false
	for _, url := range after {
		e := w.endpoint(m, im.ref.Host, url)
		switch {
		case e == nil || !e.Asked:
			maybe = true
			reasons = append(reasons, url+" was not asked")
			continue
		case !e.OK:
			reasons = append(reasons, url+" "+faultText(e.Fault, e.Error))
			continue
		}
		f, asked := w.an.Found[Question{im.ref.Host, url, im.text}]
		switch {
		case !asked:
			maybe = true
			reasons = append(reasons, url+" was not asked for it")
		case f.Has:
			return p
		case f.Login && secrets:
			p.bySecret = true
		default:
			reasons = append(reasons, url+" "+faultText(f.Fault, f.Error))
			p.lacking = append(p.lacking, url)
		}
	}
	switch {
	case p.bySecret:
		return p
	case maybe:
		p.outcome = unsure
	default:
		p.outcome = fails
	}
	p.why = strings.Join(slices.Compact(reasons), "; ")
	return p
}

// endpoint is what an endpoint told the node itself, else the one who assesses.
func (w *world) endpoint(m *Machine, host, url string) *Endpoint {
	find := func(all []Endpoint) *Endpoint {
		for i := range all {
			if all[i].URL == url && (all[i].Registry == host || all[i].Registry == "*") {
				return &all[i]
			}
		}
		return nil
	}
	if m != nil {
		if e := find(m.Endpoints); e != nil && e.Asked {
			return e
		}
	}
	return find(w.an.Endpoints)
}

// faultText says in some words what is wrong with an endpoint; the whole error stands
// in the list of endpoints.
func faultText(fault, whole string) string {
	switch fault {
	case "unreachable":
		return "cannot be reached"
	case "timeout":
		return "does not answer in time"
	case "dns":
		return "has a name that is not found"
	case "unknown-ca", "san", "expired":
		return "has a certificate that is not taken"
	case "client-cert":
		return "wants a client certificate"
	case "http-on-https", "https-on-http":
		return "speaks the other of http and https"
	case "credential":
		return "refuses the credential"
	case "no-rights":
		return "gives no right to read it"
	case "missing-image":
		return "does not have it"
	case "not-a-registry":
		return "is no registry"
	}
	return "fails: " + whole
}
