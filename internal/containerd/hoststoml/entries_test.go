package hoststoml

import "testing"

// TestDefaultAgreesWithContainerd: hosts without a directory, those of this machine
// among them.
func TestDefaultAgreesWithContainerd(t *testing.T) {
	rel := release(t, referenceRelease)
	for _, host := range []string{"docker.io", "registry-1.docker.io", "harbor.example.com", "h.example.com:5000", "localhost", "localhost:80", "localhost:443", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"} {
		got := effective(&Document{}, nil, host, rel)
		if want := ask(t, host, ""); got != want {
			t.Errorf("%s: containerd asks\n%swe say\n%s", host, want, got)
		}
	}
}

func TestNamespace(t *testing.T) {
	for _, tc := range []struct{ host, address, want string }{
		{"docker.io", "registry-1.docker.io", ""},
		{"docker.io", "mirror.example.com", "docker.io"},
		{"harbor.example.com", "harbor.example.com", ""},
		{"harbor.example.com", "harbor.example.com:443", "harbor.example.com"},
	} {
		e := Entry{Address: tc.address}
		if got := e.Namespace(tc.host); got != tc.want {
			t.Errorf("%s at %s: %q, want %q", tc.host, tc.address, got, tc.want)
		}
	}
}
