package cri

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\n\tb\x00c\u2028d":                                               "a b c d",
		`Head "http://admin:Harbor12345@192.0.2.1/v2/": EOF`:                 `Head "http://192.0.2.1/v2/": EOF`,
		`Head "http://admin:@Secret?@192.0.2.1/v2/": EOF`:                    `Head "http://192.0.2.1/v2/": EOF`,
		`Head "http://admin:p/w?d@x@192.0.2.1/v2/": EOF`:                     `Head "http://192.0.2.1/v2/": EOF`,
		`Get https://s3.example.com/x?X-Amz-Signature=abc&ns=docker.io: EOF`: `Get https://s3.example.com/x?ns=docker.io: EOF`,
		`Get "https://s3.example.com/x?token=abc": EOF`:                      `Get "https://s3.example.com/x": EOF`,
		`header Authorization: Basic YWRtaW46SGFyYm9yMTIzNDU= sent`:          `header Authorization: Basic *** sent`,
		`realm: bearer eyJhbGciOi.abc-def_x`:                                 `realm: bearer ***`,
		`no basic auth credentials`:                                          `no basic auth credentials`,
		`https://h/v2/app@sha256:0123`:                                       `https://h/v2/app@sha256:0123`,
		"bad \xff utf-8":                                                     "bad ? utf-8",
		"":                                                                   "",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
	if got := clean(strings.Repeat("é", 1<<20)); len(got) > maxText || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

// Whatever stands around it and in it, a password before a host is not shown.
func TestCleanHidesPasswords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[A-Za-z0-9!#$%&*+,./:;=?@^_~-]{0,10}Secret77[A-Za-z0-9!#$%&*+,./:;=?@^_~-]{0,10}`).Draw(t, "password")
		around := rapid.StringMatching(`[ a-z:"]{0,20}`)
		text := around.Draw(t, "before") + `"https://admin:` + password + `@registry.example.com/v2/" ` + around.Draw(t, "after")
		if got := clean(text); strings.Contains(got, "Secret77") {
			t.Fatalf("clean(%q) = %q", text, got)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add(`Head "http://admin:Harbor12345@192.0.2.1/v2/?ns=docker.io&x=y": EOF`)
	f.Add("//@//??@sha256:@:")
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text)
		if strings.ContainsAny(got, "\n\r\x00\x1b") || len(got) > maxText || !utf8.ValidString(got) {
			t.Errorf("clean(%q) = %q", text, got)
		}
		if ref := cleanRef(text); strings.ContainsAny(ref, "\n\r") || len(ref) > maxText {
			t.Errorf("cleanRef(%q) = %q", text, ref)
		}
	})
}

func TestNormalize(t *testing.T) {
	for ref, want := range map[string]string{
		"busybox":                               "docker.io/library/busybox:latest",
		"busybox:1.36":                          "docker.io/library/busybox:1.36",
		"team/app":                              "docker.io/team/app:latest",
		"docker.io/busybox":                     "docker.io/library/busybox:latest",
		"index.docker.io/team/app":              "docker.io/team/app:latest",
		"index.docker.io/busybox":               "docker.io/library/busybox:latest",
		"localhost/app":                         "localhost/app:latest",
		"HOST/app":                              "HOST/app:latest",
		"192.168.21.9:5000/team/app":            "192.168.21.9:5000/team/app:latest",
		"192.168.21.9:5000/team/app:v1":         "192.168.21.9:5000/team/app:v1",
		"registry.example.com/a@sha256:01":      "registry.example.com/a@sha256:01",
		"registry.example.com:5/a:v1@sha256:01": "registry.example.com:5/a@sha256:01",
		"sha256:0123":                           "sha256:0123",
		"[2001:db8::1]:5000/app":                "[2001:db8::1]:5000/app:latest",
	} {
		got := normalize(ref)
		if got != want {
			t.Errorf("normalize(%q) = %q, want %q", ref, got, want)
		}
		if again := normalize(got); again != got {
			t.Errorf("normalize(%q) = %q is not stable: %q", ref, got, again)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	f.Add("a/b:c@d")
	f.Add("//:@")
	f.Fuzz(func(t *testing.T, ref string) {
		got := normalize(ref)
		if !strings.HasPrefix(got, repositoryOf(got)) && !strings.HasPrefix(got, "sha256:") || len(got) > len(ref)+len("docker.io/library/:latest") {
			t.Errorf("normalize(%q) = %q, repository %q", ref, got, repositoryOf(got))
		}
	})
}
