package secret

import (
	"strings"
	"testing"
	"unicode"
)

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		`Authorization: Basic YWRtaW46SGFyYm9yMTIzNDU=`:                 `Authorization: Basic ***`,
		`Authorization:[Bearer abc]`:                                    `Authorization:[***]`,
		`headers map[Authorization:[Basic YWRtaW46SGFyYm9yMTIzNDU=] X]`: `headers map[Authorization:[Basic ***] X]`,
		`authorization=abc def`:                                         `authorization=*** def`,
		`{"password":"Harbor12345","user":"admin"}`:                     `{"password":"***","user":"admin"}`,
		`identitytoken="abc" x`:                                         `identitytoken="***" x`,
		`access_token=abc&x=y`:                                          `access_token=***&x=y`,
		`Get "https://u:p@h/v2/?token=abc&ns=docker.io": EOF`:           `Get "https://h/v2/?ns=docker.io": EOF`,
		// Words of errors that speak of such things stay.
		`failed to fetch oauth token: unexpected status: 401 Unauthorized`:           `failed to fetch oauth token: unexpected status: 401 Unauthorized`,
		`may require authorization: authorization failed: no basic auth credentials`: `may require authorization: authorization failed: no basic auth credentials`,
		`authorization:["abc"]`:                                     `authorization:["***"]`,
		`authorization failed: no basic auth credentials`:           `authorization failed: no basic auth credentials`,
		`failed to authorize: failed to fetch anonymous token: EOF`: `failed to authorize: failed to fetch anonymous token: EOF`,
		`no such secret`: `no such secret`,
	} {
		if got := Scrub(text); got != want {
			t.Errorf("Scrub(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzScrub(f *testing.F) {
	f.Add(`Head "http://admin:Harbor12345@192.0.2.1/v2/?ns=docker.io&x=y": EOF`)
	f.Add(`Authorization: Basic x password="`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsFunc(text, unicode.IsSpace) || strings.ContainsAny(text, "\"'<>`@/,;&?[]{}=:#*") {
			return
		}
		text = "Secret77" + text
		for _, line := range []string{"https://u:" + text + "@h/v2/", "Authorization: Basic " + text, `"password":"` + text + `"`, "https://h/x?signature=" + text} {
			if got := Scrub(line); strings.Contains(got, "Secret77") {
				t.Errorf("Scrub(%q) = %q", line, got)
			}
		}
	})
}
