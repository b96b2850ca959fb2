package transport

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sshConfigText = `
Host web-*
  HostName %h.example.com
  Port 2222
  User deploy
  IdentityFile ~/.ssh/web_%r
  IdentityFile none
  ConnectTimeout 3
  ProxyJump gate
  HashKnownHosts yes
Host gate
  HostName 192.0.2.9
  ProxyJump outer
Host outer
  User "out sider"
Host circle
  ProxyJump circle
Host command
  ProxyCommand ssh -W %h:%p gate
Host lax
  StrictHostKeyChecking accept-new
  UserKnownHostsFile "~/my hosts" /dev/null
  IdentitiesOnly yes
Host *
  User everybody
`

func settle(t *testing.T, target Target) (settings, hop, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(name, []byte(sshConfigText), 0o600))
	config, err := readSSHConfig(name, "/home/op")
	must(t, err)
	args := parseSSHArgs(target.SSHArgs)
	s := settings{args: args.options, config: config, opts: Options{Home: "/home/op"}}
	h, err := s.node(target)
	return s, h, err
}

func TestSettings(t *testing.T) {
	cases := map[string]struct {
		target Target
		check  func(h hop) (got, want any)
	}{
		"everything from the configuration": {Target{Name: "web-1"}, func(h hop) (any, any) {
			return []any{h.addr(), h.user, h.keys, h.jump, h.timeout, h.hashNames},
				[]any{"web-1.example.com:2222", "deploy", []string{"/home/op/.ssh/web_deploy"}, "gate", 3 * time.Second, true}
		}},
		"the inventory wins": {Target{Name: "n", Host: "web-1", Port: 22, User: "root", IdentityFiles: []string{"~/k"}, ProxyJump: "none"}, func(h hop) (any, any) {
			return []any{h.addr(), h.user, h.keys, h.jump}, []any{"web-1.example.com:22", "root", []string{"/home/op/k", "/home/op/.ssh/web_root"}, ""}
		}},
		"arguments win over the configuration": {Target{Name: "web-1", SSHArgs: []string{"-p", "23", "-l", "me", "-oProxyCommand=nc %h %p", "-i/k", "-o", "StrictHostKeyChecking no"}}, func(h hop) (any, any) {
			return []any{h.port, h.user, h.jump, h.proxyCommand, h.keys, h.strict}, []any{23, "me", "", "nc %h %p", []string{"/k", "/home/op/.ssh/web_me"}, strictNo}
		}},
		"the usual keys": {Target{Name: "192.0.2.1"}, func(h hop) (any, any) {
			return []any{h.keys[0], h.named, h.user, h.port, h.timeout}, []any{"/home/op/.ssh/id_ed25519", 0, "everybody", 22, defaultConnectTimeout}
		}},
		"known hosts": {Target{Name: "lax"}, func(h hop) (any, any) {
			return []any{h.strict, h.knownHosts[:2], h.identitiesOnly}, []any{strictNew, []string{"/home/op/my hosts", "/dev/null"}, true}
		}},
		"a command": {Target{Name: "command"}, func(h hop) (any, any) { return h.proxyCommand, "ssh -W %h:%p gate" }},
		"a jump instead of the command": {Target{Name: "command", ProxyJump: "gate"}, func(h hop) (any, any) {
			return []string{h.jump, h.proxyCommand}, []string{"gate", ""}
		}},
		"an IPv6 address": {Target{Name: "n", Host: "2001:db8::1"}, func(h hop) (any, any) { return h.addr(), "[2001:db8::1]:22" }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, h, err := settle(t, c.target)
			must(t, err)
			got, want := c.check(h)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		jump string
		want string
		fail string
	}{
		"none":                       {"none", "n", ""},
		"one":                        {"outside@198.51.100.7:2200", "198.51.100.7:2200 n", ""},
		"a chain":                    {"a,b,c", "a:22 b:22 c:22 n", ""},
		"with one of its own":        {"root@gate", "", "is no user name"}, // outer's user has a blank
		"only the first has its own": {"a,gate", "a:22 192.0.2.9:22 n", ""},
		"an address":                 {"ssh://me@[2001:db8::7]:2200", "[2001:db8::7]:2200 n", ""},
		"a circle":                   {"circle", "", "more than 8"},
		"too long":                   {strings.Repeat("a,", 9) + "a", "", "more than 8"},
		"no port":                    {"a:ssh", "", "no valid port"},
	} {
		t.Run(name, func(t *testing.T) {
			s, h, err := settle(t, Target{Name: "n", ProxyJump: c.jump})
			must(t, err)
			hops, err := route(s, h, 0)
			var e *Error
			if c.fail != "" {
				if !errors.As(err, &e) || !strings.Contains(e.Text, c.fail) {
					t.Fatalf("error is %v, want %q in it", err, c.fail)
				}
				return
			}
			must(t, err)
			var got []string
			for _, h := range hops[:len(hops)-1] {
				got = append(got, h.addr())
			}
			if diff := cmp.Diff(c.want, strings.Join(append(got, "n"), " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSSHArgs(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		want map[string][]string
		file string
		warn int
	}{
		"nothing":              {"", map[string][]string{}, "", 0},
		"Kubespray's bastion":  {"-F ssh-bastion.conf", map[string][]string{}, "ssh-bastion.conf", 0},
		"Ansible's defaults":   {"-C -o ControlMaster=auto -o ControlPersist=60s -tt", map[string][]string{}, "", 0},
		"joined and spaced":    {`-p22 -o"Port = 23" -o 'User  me' -J a,b`, map[string][]string{"port": {"22", "23"}, "user": {"me"}, "proxyjump": {"a,b"}}, "", 0},
		"a command with an =":  {`-o ProxyCommand="ssh -o A=b -W %h:%p x"`, map[string][]string{"proxycommand": {"ssh -o A=b -W %h:%p x"}}, "", 0},
		"what is not honoured": {"-L 1:b:2 -o Ciphers=x host -Z", map[string][]string{}, "", 4},
		"a value that lacks":   {"-p", map[string][]string{}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			words, err := SplitArgs(c.args)
			must(t, err)
			got := parseSSHArgs(words)
			if diff := cmp.Diff(c.want, got.options); diff != "" || got.config != c.file || len(got.warnings) != c.warn {
				t.Errorf("file %q, warnings %q, options:\n%s", got.config, got.warnings, diff)
			}
		})
	}
}

func TestSSHConfigThatIsNotUnderstood(t *testing.T) {
	home := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(home, ".ssh"), 0o700))
	file := filepath.Join(home, ".ssh", "config")
	must(t, os.WriteFile(file, []byte("Match exec \"reboot\"\n  Port 1\n"), 0o600))
	c, err := readSSHConfig("", home)
	if err != nil || len(c.warnings) != 1 || !strings.Contains(c.warnings[0], file) {
		t.Errorf("a default file gives %+v, error %v; want one warning", c, err)
	}
	if _, err := readSSHConfig(file, home); err == nil {
		t.Error("a named file that is not understood gives no error")
	}
	if _, err := readSSHConfig(file+"-none", home); err == nil {
		t.Error("a named file that is not there gives no error")
	}
}

func FuzzSSHConfig(f *testing.F) {
	f.Add(sshConfigText, "web-1")
	f.Add("Include *\nMatch host x\n Port", "x")
	f.Fuzz(func(t *testing.T, text, host string) {
		name := filepath.Join(t.TempDir(), "config")
		if os.WriteFile(name, []byte(text), 0o600) != nil {
			return
		}
		config, err := readSSHConfig(name, "/home/op")
		if err != nil {
			return
		}
		s := settings{config: config, opts: Options{Home: "/home/op"}}
		h, err := s.node(Target{Name: host})
		if err != nil {
			return
		}
		if !validHost(h.host) || h.port < 1 || h.port > 65535 {
			t.Fatalf("%q was accepted as a host", h.addr())
		}
		_, _ = route(s, h, 0)
	})
}
