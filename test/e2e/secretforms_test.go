//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// formsOf are the ways in which a password can lie about: in clear, as part of any
// base64 (it begins at one of three places in a group of four), as user:password,
// in a URL and in hexadecimal.
func formsOf(user, password string) []string {
	forms := []string{password, url.QueryEscape(password), url.PathEscape(password), hex.EncodeToString([]byte(password)), strings.ToUpper(hex.EncodeToString([]byte(password)))}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		forms = append(forms, enc.EncodeToString([]byte(user+":"+password)))
		for before := range 3 {
			text := enc.EncodeToString([]byte("\x00\x00\x00"[:before] + password))
			// The first characters hold bits of what stands before, the last of what comes after.
			forms = append(forms, text[[]int{0, 2, 3}[before]:len(text)-2])
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

func TestFormsOf(t *testing.T) {
	t.Parallel()
	const user, password = "robot$nodes", "zQ7/unmistakable+Xy2"
	for before := range 9 {
		for after := range 4 {
			plain := strings.Repeat("x", before) + password + strings.Repeat("y", after)
			for _, text := range []string{plain, base64.StdEncoding.EncodeToString([]byte(plain)), base64.URLEncoding.EncodeToString([]byte(plain)),
				hex.EncodeToString([]byte(plain)), url.QueryEscape(plain)} {
				if !slices.ContainsFunc(formsOf(user, password), func(f string) bool { return strings.Contains(text, f) }) {
					t.Errorf("%q is not found", text)
				}
			}
		}
	}
	for _, f := range formsOf(user, password) {
		if len(f) < 12 || strings.ContainsAny(f, "'\n") {
			t.Errorf("%q is no good to look for", f)
		}
	}
}

// watch looks at the argument list and the environment of every process of this
// machine, those of the nodes and containers included, again and again until the
// returned function is called, which gives what it found and how often it looked.
// pullway itself and what carries it into the lab's network have the password in
// their environment, because the specification says env; what pullway starts on
// the operator's side inherits it (see the threat model).
func watch(forms []string) (stop func() (found []string, looks, engines int)) {
	self, _ := os.Readlink("/proc/self/ns/pid")
	done := make(chan struct{})
	var wg sync.WaitGroup
	var found []string
	looks, engines := 0, 0
	look := func() {
		looks++
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, p := range all {
			args, err := os.ReadFile(filepath.Join(p, "cmdline"))
			if err != nil {
				continue
			}
			environ, _ := os.ReadFile(filepath.Join(p, "environ"))
			ns, _ := os.Readlink(filepath.Join(p, "ns", "pid"))
			text := strings.ReplaceAll(string(args), "\x00", " ")
			onNode := ns != "" && ns != self
			if onNode && strings.Contains(text, "pullway-node") && strings.HasSuffix(strings.TrimSpace(text), "serve") {
				if limits, err := os.ReadFile(filepath.Join(p, "limits")); err == nil {
					engines++
					for line := range strings.Lines(string(limits)) {
						if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && f[4] != "0" && strings.HasPrefix(text, "/var/lib/pullway/engine/") {
							found = append(found, "an engine may leave a core dump: "+text)
						}
					}
				}
			}
			for _, f := range forms {
				if strings.Contains(string(args), f) {
					found = append(found, "an argument list: "+text)
				}
				if onNode && strings.Contains(string(environ), f) {
					found = append(found, "an environment on a node: "+text)
				}
			}
		}
	}
	wg.Go(func() {
		tick := time.NewTicker(15 * time.Millisecond)
		defer tick.Stop()
		for {
			look()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	return func() ([]string, int, int) {
		close(done)
		wg.Wait()
		slices.Sort(found)
		return slices.Compact(found), looks, engines
	}
}
