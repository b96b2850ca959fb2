package cri

import (
	"testing"

	"google.golang.org/grpc/codes"
)

// The texts were seen at containerd 1.6.20, 1.7.35 and 2.4.2.
func TestClassify(t *testing.T) {
	for text, want := range map[string]Kind{
		`pulling from host 192.168.21.9 failed with status code [manifests v1]: 401 Unauthorized`:                                                     Unauthorized,
		`pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`:                 Unauthorized,
		`unexpected status from HEAD request to http://192.168.21.9/v2/team/app/manifests/v1: 401 Unauthorized`:                                       Unauthorized,
		`pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`:        Unauthorized,
		`failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized`:                                                       Unauthorized,
		`failed to authorize: failed to fetch oauth token: unexpected status from GET request to http://192.168.21.9/service/token: 401 Unauthorized`: Unauthorized,
		`failed to authorize: failed to fetch anonymous token: unexpected status from GET request to http://192.168.21.9/t: 401 Unauthorized`:         Unauthorized,
		`unexpected status from HEAD request to https://192.168.21.9/v2/x/manifests/v1: 403 Forbidden`:                                                Unauthorized,
		`failed to do request: Head "https://192.168.21.9/v2/x/manifests/v1": http: server gave HTTP response to HTTPS client`:                        HTTPSToHTTP,
		`unexpected status from HEAD request to http://192.168.21.9:443/v2/x/manifests/v1: 400 Bad Request`:                                           HTTPToHTTPS,
		`failed to do request: Head "http://h:443/v2/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01"`:       HTTPToHTTPS,
		`failed to do request: Head "https://h/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`:                TLS,
		`failed to do request: Head "https://h/v2/": x509: cannot validate certificate for 192.168.21.9 because it doesn't contain any IP SANs`:       TLS,
		`failed to do request: Head "https://h/v2/": remote error: tls: certificate required`:                                                         TLS,
		`unable to load CA cert "/etc/containerd/certs.d/h/ca.crt"`:                                                                                   TLS,
		`registry.example.com/team/none:v1: not found`:                                                                                                NotFound,
		`unexpected status: 404 Not Found`: NotFound,
		`failed to do request: Head "https://h/v2/": dial tcp: lookup h on 10.0.0.2:53: no such host`:            Unreachable,
		`failed to do request: Head "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused`: Unreachable,
		`failed to do request: Head "http://192.0.2.1/v2/": dial tcp 192.0.2.1:80: i/o timeout`:                  Unreachable,
		`failed to do request: Head "https://192.0.2.1/v2/": net/http: TLS handshake timeout`:                    Timeout,
		`failed to do request: Head "https://192.0.2.1/v2/": context deadline exceeded`:                          Timeout,
		`no resolve hosts: not found`:                                         Other,
		`unexpected media type text/html for sha256:0123: not found`:          Other,
		`no match for platform in manifest: not found`:                        Other,
		`unexpected status from HEAD request to x: 500 Internal Server Error`: Other,
		``: Other,
	} {
		if got, _ := classify(codes.Unknown, text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	for code, want := range map[codes.Code]Kind{codes.NotFound: NotFound, codes.DeadlineExceeded: Timeout, codes.Unknown: Other, codes.Unimplemented: Other} {
		if got, _ := classify(code, "boom"); got != want {
			t.Errorf("code %s is %s, want %s", code, got, want)
		}
	}
	if got, _ := classify(codes.Unknown, "server is not initialized yet"); got != CRIMissing {
		t.Errorf("starting is %s", got)
	}
}

func TestCleanRef(t *testing.T) {
	for ref, want := range map[string]string{
		"registry.example.com/team/app:v1":                  "registry.example.com/team/app:v1",
		"registry.example.com/team/app@sha256:0123":         "registry.example.com/team/app@sha256:0123",
		"registry.example.com/team/app:v1@x":                "registry.example.com/team/app:v1@x",
		"busybox":                                           "busybox",
		"admin:Harbor12345@192.168.21.9/team/app:v1":        "192.168.21.9/team/app:v1",
		"admin:Harbor/12345@192.168.21.9/team/app@sha256:1": "192.168.21.9/team/app@sha256:1",
		"http://admin:Harbor12345@192.168.21.9/team/app":    "http://192.168.21.9/team/app",
		"": "",
	} {
		if got := cleanRef(ref); got != want {
			t.Errorf("cleanRef(%q) = %q, want %q", ref, got, want)
		}
	}
}
