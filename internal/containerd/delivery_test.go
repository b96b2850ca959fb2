package containerd

import (
	"strings"
	"testing"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
)

func TestChooseDelivery(t *testing.T) {
	const (
		auto, header, cri    = v1alpha1.DeliveryAuto, v1alpha1.DeliveryHeader, v1alpha1.DeliveryCRI
		basic, token, nobody = config.AcceptsBasic, config.AcceptsToken, config.AcceptsUnknown
	)
	tests := []struct {
		name     string
		want     v1alpha1.Delivery
		accepts  config.Accepts
		release  string
		method   string // empty: refused
		mentions string
	}{
		{"Harbor on the oldest", auto, basic, "1.5.18", DeliverHeader, "no restart"},
		{"Harbor on 1.6", auto, basic, "1.6.20", DeliverHeader, "no restart"},
		{"Harbor on 2.4", auto, basic, "2.4.2", DeliverHeader, "no restart"},
		{"the default is auto", "", basic, "1.7.35", DeliverHeader, "no restart"},
		{"token only before 2.1", auto, token, "1.7.35", DeliverCRI, "needs a restart"},
		{"token only, last release without", auto, token, "2.0.7", DeliverCRI, "2.0.7"},
		{"token only, first release with", auto, token, "2.1.0", DeliverHeader, "token service too"},
		{"header as asked, where it works", header, token, "2.4.2", DeliverHeader, "no restart"},
		{"header as asked, where it cannot work", header, token, "1.6.20", "", "does not send"},
		{"header as asked, one release too early", header, token, "2.0.7", "", "2.0.7"},
		{"header as asked for Harbor", header, basic, "1.6.20", DeliverHeader, "no restart"},
		{"unknown registry on 2.1", auto, nobody, "2.1.0", DeliverHeader, "not asked or did not answer"},
		{"unknown registry before", auto, nobody, "1.7.35", DeliverHeader, "delivery: cri"},
		{"unknown registry, header as asked", header, nobody, "1.6.20", DeliverHeader, "not asked or did not answer"},
		{"cri as asked for Harbor", cri, basic, "1.6.20", DeliverCRI, "restarts"},
		{"cri as asked turns the transfer service off", cri, token, "2.4.2", DeliverCRI, "local mode"},
		{"cri as asked before the transfer service", cri, nobody, "2.0.7", DeliverCRI, "asked for"},
		{"unknown release counts as old", auto, token, "", DeliverCRI, "unknown"},
		{"nonsense delivery", "pigeon", basic, "2.4.2", "", "pigeon"},
		{"nonsense registry", auto, "cash", "2.4.2", "", "cash"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var rel Release
			if tc.release != "" {
				var err error
				if rel, err = ParseRelease(tc.release); err != nil {
					t.Fatal(err)
				}
			}
			method, reason, err := ChooseDelivery(tc.want, tc.accepts, rel)
			if method != tc.method {
				t.Errorf("method %q, want %q", method, tc.method)
			}
			text := reason
			if tc.method == "" {
				if err == nil || err.Hint == "" {
					t.Fatalf("got %v, want an error with a hint", err)
				}
				text = err.Text
			} else if err != nil {
				t.Fatalf("unexpected error %v", err)
			}
			if !strings.Contains(text, tc.mentions) || strings.Contains(text, "\n") {
				t.Errorf("text %q does not mention %q in one line", text, tc.mentions)
			}
		})
	}
}
