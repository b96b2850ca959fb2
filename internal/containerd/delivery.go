package containerd

import (
	"fmt"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
)

// The two ways in which a credential reaches containerd.
const (
	// DeliverHeader is an Authorization header in hosts.toml, read at each pull.
	DeliverHeader = "header"
	// DeliverCRI is registry.configs."HOST".auth in config.toml, read at start.
	DeliverCRI = "cri"
)

// DeliveryError is a way of delivery that cannot work: one line, and what to do.
type DeliveryError struct {
	Text string
	Hint string
}

// Error returns the one line.
func (e *DeliveryError) Error() string { return e.Text }

// ChooseDelivery decides how a registry's credential reaches this release, and
// says why in a few words. want "" means auto; a zero Release counts as old.
//
// What decides: every release sends a header of hosts.toml to the registry, and
// only 2.1.0 and newer also to its token service (PR 11092). So a registry that
// takes Basic on /v2 needs no restart anywhere, and one that takes tokens only
// needs config.toml and a restart before 2.1. When nobody could ask the registry,
// an old release is given the header: it costs no restart, it is right for
// Harbor, Nexus, Artifactory and htpasswd, and the proving pull tells if not.
//
// The method is empty when err is not nil.
func ChooseDelivery(want v1alpha1.Delivery, accepts config.Accepts, rel Release) (method, reason string, err *DeliveryError) {
	token := rel.SendsHeaderToTokenService()
	switch want {
	case v1alpha1.DeliveryCRI:
		reason = "asked for; it is written to config.toml, and containerd restarts when it changes"
		if rel.HasTransferService() {
			reason += fmt.Sprintf("; containerd %s then pulls all images in its older local mode", rel)
		}
		return DeliverCRI, reason, nil
	case v1alpha1.DeliveryHeader, v1alpha1.DeliveryAuto, "":
	default:
		return "", "", &DeliveryError{Text: fmt.Sprintf("unknown delivery %q", string(want)), Hint: "use header, cri or auto"}
	}
	switch accepts {
	case config.AcceptsBasic:
		return DeliverHeader, "the registry takes the password on every request; no restart", nil
	case config.AcceptsToken:
		switch {
		case token:
			return DeliverHeader, fmt.Sprintf("the registry takes tokens only, and containerd %s sends the header to its token service too; no restart", rel), nil
		case want == v1alpha1.DeliveryHeader:
			return "", "", &DeliveryError{
				Text: fmt.Sprintf("the registry takes tokens only, and containerd %s does not send a header to its token service, so pulls would be anonymous", rel),
				Hint: "set delivery: auto (config.toml and one restart), upgrade containerd to 2.1, or use image pull secrets",
			}
		default:
			return DeliverCRI, fmt.Sprintf("the registry takes tokens only, and containerd %s does not send a header to its token service; needs a restart", rel), nil
		}
	case config.AcceptsUnknown:
		if token {
			return DeliverHeader, fmt.Sprintf("the registry was not asked or did not answer; containerd %s sends the header to the registry and its token service; no restart", rel), nil
		}
		return DeliverHeader, fmt.Sprintf("the registry was not asked or did not answer; a header needs no restart and works if the registry takes passwords on every request; if it takes tokens only, pulls with containerd %s fail and delivery: cri is needed", rel), nil
	default:
		return "", "", &DeliveryError{Text: fmt.Sprintf("unknown kind of registry %q", string(accepts)), Hint: "the two ends are of different builds"}
	}
}
