package transport

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/secret"
)

// strictness is what to do with a host key that nobody knows. A key that differs
// from the known one is refused in every case.
type strictness int

const (
	strictAsk strictness = iota // refuse it
	strictNew                   // remember it
	strictNo                    // take it
)

// hop is one SSH server, a jump host or the node, with everything known that is
// needed to log in.
type hop struct {
	alias string
	host  string
	port  int
	user  string
	// keys in the order in which they are offered; those after named are the usual
	// ones, which need not exist.
	keys           []string
	named          int
	identitiesOnly bool
	password       secret.Value

	strict       strictness
	hostKeyAlias string
	knownHosts   []string // the first one takes new keys
	hashNames    bool

	timeout      time.Duration
	jump         string
	proxyCommand string
}

// addr is host:port.
func (h hop) addr() string { return net.JoinHostPort(h.host, strconv.Itoa(h.port)) }

// settings finds values: first of an ssh command line, then of SSH configuration.
type settings struct {
	args   map[string][]string
	config *sshConfig
	opts   Options
}

func (s settings) get(alias, key string) string {
	if v := s.args[strings.ToLower(key)]; len(v) > 0 {
		return v[0]
	}
	return s.config.get(alias, key)
}

// node makes the hop of a target; what the inventory says comes first.
func (s settings) node(t Target) (hop, error) {
	alias := t.Host
	if alias == "" {
		alias = t.Name
	}
	h, err := s.hop(alias, t.User, t.Port, t.IdentityFiles)
	if err != nil {
		return h, err
	}
	h.password = t.Password
	switch {
	case t.ProxyJump != "":
		h.jump = t.ProxyJump
	case len(s.args["proxyjump"]) > 0:
		h.jump = s.args["proxyjump"][0]
	case len(s.args["proxycommand"]) > 0:
		h.proxyCommand = s.args["proxycommand"][0]
	default:
		h.jump, h.proxyCommand = s.config.get(alias, "ProxyJump"), s.config.get(alias, "ProxyCommand")
	}
	return noNone(h), nil
}

// jumpHost makes the hop of one element of a ProxyJump, [user@]host[:port] or an
// ssh:// address. Arguments of the node's command line are not for it.
func (s settings) jumpHost(spec string) (hop, error) {
	s.args = nil
	rest := strings.TrimPrefix(strings.TrimSpace(spec), "ssh://")
	login := ""
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		login, rest = rest[:i], rest[i+1:]
	}
	port := 0
	host := strings.Trim(rest, "[]")
	if hostPart, p, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.Atoi(p)
		if err != nil {
			return hop{}, fault(KindUnreachable, "", nil, "jump host %q has no valid port", spec)
		}
		host, port = hostPart, n
	}
	h, err := s.hop(host, login, port, nil)
	if err != nil {
		return h, err
	}
	h.jump, h.proxyCommand = s.config.get(host, "ProxyJump"), s.config.get(host, "ProxyCommand")
	return noNone(h), nil
}

// noNone takes "none" for what it means. A jump wins over a command.
func noNone(h hop) hop {
	if strings.EqualFold(h.jump, "none") {
		h.jump = ""
	}
	if strings.EqualFold(h.proxyCommand, "none") || h.jump != "" {
		h.proxyCommand = ""
	}
	return h
}

func (s settings) hop(alias, login string, port int, keys []string) (hop, error) {
	h := hop{alias: alias, host: alias, user: login, port: port, timeout: s.opts.ConnectTimeout}
	if name := s.get(alias, "HostName"); name != "" {
		h.host = strings.NewReplacer("%%", "%", "%h", alias).Replace(name)
	}
	if h.user == "" {
		h.user = s.get(alias, "User")
	}
	if h.user == "" {
		h.user = currentUser()
	}
	if h.port == 0 {
		h.port = 22
		if p := s.get(alias, "Port"); p != "" {
			h.port, _ = strconv.Atoi(p)
		}
	}
	switch {
	case !validHost(h.host):
		return h, fault(KindUnreachable, "", nil, "%q is no host name or address", h.host)
	case h.port < 1 || h.port > 65535:
		return h, fault(KindUnreachable, "", nil, "port of %q is not between 1 and 65535", h.host)
	case !validUser(h.user):
		return h, fault(KindAuth, "", nil, "%q is no user name", h.user)
	}
	if h.timeout == 0 {
		h.timeout = defaultConnectTimeout
		if n, err := strconv.Atoi(s.get(alias, "ConnectTimeout")); err == nil && n > 0 && n < 3600 {
			h.timeout = time.Duration(n) * time.Second
		}
	}
	s.identities(&h, keys)
	s.trust(&h)
	return h, nil
}

// identities lists the keys: the inventory's, the command line's, the
// configuration's, and the usual ones when there are no others.
func (s settings) identities(h *hop, keys []string) {
	h.identitiesOnly = strings.EqualFold(s.get(h.alias, "IdentitiesOnly"), "yes")
	named := append(append(append([]string(nil), keys...), s.args["identityfile"]...), s.config.all(h.alias, "IdentityFile")...)
	expand := strings.NewReplacer("%%", "%", "%d", s.opts.home(), "%h", h.host, "%r", h.user, "%u", currentUser())
	for _, k := range named {
		if k = expand.Replace(k); !strings.EqualFold(k, "none") {
			h.keys = append(h.keys, s.tilde(k))
		}
	}
	h.named = len(h.keys)
	if len(named) == 0 {
		for _, usual := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			h.keys = append(h.keys, filepath.Join(s.opts.home(), ".ssh", usual))
		}
	}
}

// trust says which host keys are believed.
func (s settings) trust(h *hop) {
	h.hostKeyAlias = s.get(h.alias, "HostKeyAlias")
	h.hashNames = strings.EqualFold(s.get(h.alias, "HashKnownHosts"), "yes")
	switch strings.ToLower(s.get(h.alias, "StrictHostKeyChecking")) {
	case "no", "off":
		h.strict = strictNo
	case "accept-new":
		h.strict = strictNew
	}
	if s.opts.AcceptNewHostKeys {
		h.strict = strictNew
	}
	if len(s.opts.KnownHosts) > 0 {
		h.knownHosts = s.opts.KnownHosts
		return
	}
	h.knownHosts = s.files(h.alias, "UserKnownHostsFile", "~/.ssh/known_hosts ~/.ssh/known_hosts2")
	h.knownHosts = append(h.knownHosts, s.files(h.alias, "GlobalKnownHostsFile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")...)
}

// files splits a value that lists files.
func (s settings) files(alias, key, usual string) []string {
	v := s.get(alias, key)
	if v == "" {
		v = usual
	}
	words, err := SplitArgs(v)
	if err != nil {
		words = []string{v}
	}
	var names []string
	for _, w := range words {
		if !strings.EqualFold(w, "none") {
			names = append(names, s.tilde(strings.ReplaceAll(w, "%d", s.opts.home())))
		}
	}
	return names
}

func (s settings) tilde(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		return filepath.Join(s.opts.home(), rest)
	}
	return name
}

// currentUser is the operator's login name.
func currentUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// validHost keeps out what is no host and could mean something to a shell, since
// a host name may reach a ProxyCommand.
func validHost(s string) bool { return validWord(s, ".:_-%") }

// validUser does the same for login names, which may be of a directory service.
func validUser(s string) bool { return validWord(s, "._-@+\\") }

func validWord(s, extra string) bool {
	if s == "" || len(s) > 255 || s[0] == '-' {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r > 0x7f:
		case !strings.ContainsRune(extra, r):
			return false
		}
	}
	return true
}
