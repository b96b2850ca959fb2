package plan

import (
	"github.com/pullway/pullway/internal/containerd"
)

// deliveries chooses for each credential how it reaches containerd.
func (b *builder) deliveries() {
	for _, r := range b.d.Registries {
		if r.Auth == nil {
			continue
		}
		method, reason, err := containerd.ChooseDelivery(r.Auth.Delivery, r.Auth.Accepts, b.o.Release)
		if err != nil {
			b.problem("delivery", false, err.Hint, "registry %s: %s", r.Host, err.Text)
			continue
		}
		b.header[r.Host] = method == "header"
		b.node.Delivery = append(b.node.Delivery, Delivery{Host: r.Host, Method: method, Reason: reason})
	}
}
