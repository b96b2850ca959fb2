package protocol

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// FuzzRequest: an engine reads any first line without a panic, gets as many secrets
// as there are places for them or refuses, and prints none.
func FuzzRequest(f *testing.F) {
	d := config.Desired{Name: "default", Registries: []config.Registry{{Host: "r", Endpoints: []config.Endpoint{{URL: "http://r", Headers: []config.Header{{Name: "X", Value: secret.New("other-secret")}}}},
		Auth: &config.Auth{Username: "u", Password: secret.New("Harbor12345")}}}, VerifyImages: []string{"r/a:1"}}
	wire := d.ToWire()
	seed, err := Encode(Request{Op: OpApply, Run: "x", Desired: &wire})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(bytes.ReplaceAll(seed, []byte("other-secret"), []byte(`","`)))
	f.Add([]byte(`{"version":1,"op":"plan","desired":{"desired":{"registries":[{"endpoints":null,"auth":null}]},"secrets":["a"]}}`))
	f.Add([]byte("null\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var req Request
		if NewReader(bytes.NewReader(b)).Read(&req) != nil || req.Desired == nil {
			return
		}
		d, err := config.FromWire(*req.Desired)
		if err != nil {
			return
		}
		for _, s := range req.Desired.Secrets {
			if len(s) >= 8 && !strings.Contains(fmt.Sprint(req.Desired.Desired.Name, req.Desired.Desired.VerifyImages), s) && bytes.Count(b, []byte(s)) == 1 && strings.Contains(fmt.Sprintf("%v %+v %#v", d, d, req.Desired), s) {
				t.Fatalf("%q is printed", s)
			}
		}
	})
}
