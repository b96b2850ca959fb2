package secret

import (
	"fmt"
	"strings"
	"testing"
)

func TestPullSecret(t *testing.T) {
	// dXNlcjpoaWRkZW4tMQ== is user:hidden-1, cm9ib3Q6aGlkZGVuLTI= robot:hidden-2.
	const raw = `{"auths":{
"harbor.example.com":{"auth":"dXNlcjpoaWRkZW4tMQ=="},
"https://harbor.example.com/team":{"auth":"cm9ib3Q6aGlkZGVuLTI="},
"https://index.docker.io/v1/":{"username":"hub","password":"hidden-3"},
"*.example.org":{"username":"star","password":"hidden-4"},
"192.168.21.9:5000":{"username":"port","password":"hidden-5"},
"broken.example.com":{"auth":"%%%"},
"empty.example.com":{}}}`
	for image, want := range map[string]string{
		"harbor.example.com/library/app":      "user:hidden-1",
		"harbor.example.com/team/app":         "robot:hidden-2 user:hidden-1", // the closest first
		"harbor.example.com/teams/app":        "user:hidden-1",
		"docker.io/library/busybox":           "hub:hidden-3",
		"a.example.org/x":                     "star:hidden-4",
		"a.b.example.org/x":                   "",
		"192.168.21.9:5000/x":                 "port:hidden-5",
		"192.168.21.9/x":                      "",
		"broken.example.com/x":                "",
		"empty.example.com/x":                 "",
		"harbor.example.com.evil.example/app": "",
	} {
		logins, err := PullSecret([]byte(raw), image)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range logins {
			got = append(got, l.Username+":"+l.Password.Reveal())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
		if s := fmt.Sprintf("%v %+v", logins, logins); strings.Contains(s, "hidden") {
			t.Errorf("a password is printed: %s", s)
		}
	}
	if old, err := PullSecret([]byte(`{"harbor.example.com":{"username":"u","password":"p-hidden"}}`), "harbor.example.com/a"); err != nil || len(old) != 1 {
		t.Errorf("a .dockercfg: %v, %v", old, err)
	}
	if _, err := PullSecret([]byte(`hidden-6`), "a/b"); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%v", err)
	}
}

// FuzzPullSecret: what anybody put into a Secret is read without a panic, and errors
// say nothing of it.
func FuzzPullSecret(f *testing.F) {
	f.Add([]byte(`{"auths":{"https://a/v1/":{"auth":"dTpw"},"*.b/c":{"username":"u","password":"p"}}}`), "a/c")
	f.Add([]byte(`{"auths":null}`), "")
	f.Add([]byte("{\"[\":{}}"), "[/x")
	f.Fuzz(func(_ *testing.T, raw []byte, image string) {
		_, _ = PullSecret(raw, image)
	})
}
