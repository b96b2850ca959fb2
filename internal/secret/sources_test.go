package secret

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is Sources over maps.
func fake(env, files map[string]string) Sources {
	return Sources{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if b, ok := files[path]; ok {
				return []byte(b), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		Helper: func(_ context.Context, helper, server string) (string, string, error) {
			if helper == "token" {
				return "<token>", plain, nil
			}
			return "from-" + helper, server, nil
		},
	}
}

// assertError wants one line that holds want and nothing secret; "" wants none.
func assertError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatalf("unexpected: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error is %q, want %q in it", err, want)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
	assertMasked(t, "error", err.Error())
}

func TestEnv(t *testing.T) {
	s := fake(map[string]string{"SET": plain + "\n", "EMPTY": "", "NUL": plain + "\x00"}, nil)
	for name, c := range map[string]struct{ want, err string }{
		"SET":   {want: plain + "\n"},
		"EMPTY": {err: "EMPTY is set, but empty"},
		"UNSET": {err: "UNSET is not set"},
		"NUL":   {err: "NUL holds a NUL byte"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := s.Env(name)
			assertError(t, err, c.err)
			if v.Reveal() != c.want {
				t.Errorf("got %q, want %q", v.Reveal(), c.want)
			}
		})
	}
}

func TestFileCutsOneLineEnd(t *testing.T) {
	for name, c := range map[string]struct{ content, want, err string }{
		"plain":           {content: "a", want: "a"},
		"one line end":    {content: "a\n", want: "a"},
		"windows":         {content: "a\r\n", want: "a"},
		"two line ends":   {content: "a\n\n", want: "a\n"},
		"spaces stay":     {content: " a \n", want: " a "},
		"lone return":     {content: "a\r", want: "a\r"},
		"shell and quote": {content: "a'\"\\$(id)`\n", want: "a'\"\\$(id)`"},
		"not ascii":       {content: "pässwörd\n", want: "pässwörd"},
		"empty":           {content: "", err: "is empty"},
		"only a line end": {content: "\r\n", err: "is empty"},
		"utf-16":          {content: "a\x00", err: "NUL"},
		"too long":        {content: strings.Repeat("a", MaxBytes+1), err: "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := fake(nil, map[string]string{"f": c.content}).File("f")
			assertError(t, err, c.err)
			if v.Reveal() != c.want {
				t.Errorf("got %q, want %q", v.Reveal(), c.want)
			}
		})
	}
	_, err := fake(nil, nil).File("gone")
	assertError(t, err, `secret file "gone": file does not exist`)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}

func TestSystemReadsAtMostMaxBytes(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("LOUD: no /dev/zero here, the bound on endless files is not tested")
	}
	_, err := System().File("/dev/zero")
	assertError(t, err, "larger than")
}

func TestNothingToReadFrom(t *testing.T) {
	_, err := Sources{}.Env("X")
	assertError(t, err, "cannot be read here")
	_, err = Sources{}.File("x")
	assertError(t, err, "cannot be read here")
}

func TestDockerConfig(t *testing.T) {
	auth := base64.StdEncoding.EncodeToString([]byte("robot$nodes:" + plain + ":x"))
	entry := func(key string) string { return `{"auths":{"` + key + `":{"auth":"` + auth + `"}}}` }
	for name, c := range map[string]struct {
		file, host, user, pass, err string
	}{
		"host":              {file: entry("h:5000"), host: "h:5000", user: "robot$nodes", pass: plain + ":x"},
		"https":             {file: entry("https://h"), host: "h", user: "robot$nodes", pass: plain + ":x"},
		"v2 path":           {file: entry("https://h/v2/"), host: "h", user: "robot$nodes", pass: plain + ":x"},
		"docker hub":        {file: entry("https://index.docker.io/v1/"), host: "docker.io", user: "robot$nodes", pass: plain + ":x"},
		"hub by its server": {file: entry("https://index.docker.io/v1/"), host: "registry-1.docker.io", user: "robot$nodes", pass: plain + ":x"},
		"one repository":    {file: entry("h/project"), host: "h", err: "has no entry for h"},
		"other port":        {file: entry("h:5000"), host: "h", err: "has no entry for h"},
		"in clear":          {file: `{"auths":{"h":{"username":"u","password":"p"}}}`, host: "h", user: "u", pass: "p"},
		"exact key wins":    {file: `{"auths":{"https://h":{"username":"a","password":"p"},"h":{"username":"b","password":"p"}}}`, host: "h", user: "b", pass: "p"},
		"empty entry":       {file: `{"auths":{"h":{}}}`, host: "h", err: "has no user name and password"},
		"no colon":          {file: `{"auths":{"h":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(plain)) + `"}}}`, host: "h", err: "is not base64 of user:password"},
		"not base64":        {file: `{"auths":{"h":{"auth":"` + plain + `!"}}}`, host: "h", err: "is not base64 of user:password"},
		"identity token":    {file: `{"auths":{"h":{"identitytoken":"` + plain + `"}}}`, host: "h", err: "identity token"},
		"store":             {file: `{"auths":{"https://h":{}},"credsStore":"desktop"}`, host: "h", user: "from-desktop", pass: "https://h"},
		"helper":            {file: `{"credHelpers":{"h":"pass"}}`, host: "h", user: "from-pass", pass: "h"},
		"helper of the hub": {file: `{"credHelpers":{"docker.io":"pass"}}`, host: "docker.io", user: "from-pass", pass: "https://index.docker.io/v1/"},
		"helper's token":    {file: `{"credHelpers":{"h":"token"}}`, host: "h", err: "identity token for h"},
		"helper as a path":  {file: `{"credHelpers":{"h":"../../bin/sh"}}`, host: "h", err: "cannot be a program"},
		"not json":          {file: "auths: " + plain, host: "h", err: "is not the JSON"},
		"wrong type":        {file: `{"auths":"` + plain + `"}`, host: "h", err: "is not the JSON"},
		"empty file":        {file: "", host: "h", err: "is not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			user, v, err := fake(nil, map[string]string{"c": c.file}).DockerConfig(t.Context(), "c", c.host)
			assertError(t, err, c.err)
			if user != c.user || v.Reveal() != c.pass {
				t.Errorf("got %q %q, want %q %q", user, v.Reveal(), c.user, c.pass)
			}
		})
	}
	s := fake(nil, map[string]string{"c": `{"credHelpers":{"h":"pass"}}`})
	s.Helper = nil
	_, _, err := s.DockerConfig(t.Context(), "c", "h")
	assertError(t, err, "docker-credential-pass, which cannot be asked here")
}

func FuzzDockerConfig(f *testing.F) {
	for _, seed := range []string{`{"auths":{"h":{"auth":"YTpi"}}}`, `{"credHelpers":{"h":"x"}}`, `{"auths":{"https://h/v1/":null}}`, ``, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, v, err := fake(nil, map[string]string{"c": string(b)}).DockerConfig(t.Context(), "c", "h")
		if err == nil && v.IsZero() {
			t.Error("neither a password nor an error")
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("several lines: %q", err)
		}
	})
}

// program writes a shell script and puts its folder first in the PATH.
func program(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return path
}

func TestCredentialHelper(t *testing.T) {
	program(t, "docker-credential-works", `read -r s; [ "$1" = get ] && echo "{\"ServerURL\":\"$s\",\"Username\":\"u\",\"Secret\":\"for $s\"}"`)
	user, pass, err := CredentialHelper(t.Context(), "works", "https://h")
	if err != nil || user != "u" || pass != "for https://h" {
		t.Errorf("got %q %q %v", user, pass, err)
	}
	program(t, "docker-credential-fails", `echo `+plain+`; exit 1`)
	_, _, err = CredentialHelper(t.Context(), "fails", "h")
	assertError(t, err, "docker-credential-fails has no credential for h")
	program(t, "docker-credential-garbage", `echo `+plain)
	_, _, err = CredentialHelper(t.Context(), "garbage", "h")
	assertError(t, err, "did not answer in JSON")
	program(t, "docker-credential-endless", `cat /dev/zero`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = CredentialHelper(ctx, "endless", "h")
	assertError(t, err, "was interrupted")
	_, _, err = CredentialHelper(t.Context(), "missing", "h")
	assertError(t, err, "program docker-credential-missing is not in the PATH")
}
