package inventory

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pullway/pullway/internal/secret"
)

// aliases of each connection variable. Where several are set the last one wins,
// as in Ansible's ssh and sudo plugins.
var (
	varHost       = []string{"ansible_host", "ansible_ssh_host"}
	varPort       = []string{"ansible_port", "ansible_ssh_port"}
	varUser       = []string{"ansible_user", "ansible_ssh_user"}
	varKey        = []string{"ansible_private_key_file", "ansible_ssh_private_key_file"}
	varPassword   = []string{"ansible_password", "ansible_ssh_pass", "ansible_ssh_password"}
	varBecome     = []string{"ansible_become", "ansible_sudo"}
	varBecomeUser = []string{"ansible_become_user", "ansible_sudo_user"}
	varBecomePass = []string{"ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"}
	varArgs       = []string{"ansible_ssh_common_args", "ansible_ssh_extra_args"}
	varConnection = []string{"ansible_connection"}
)

// connectionVars is every variable that nodeOf reads.
func connectionVars() []string {
	return slices.Concat(varHost, varPort, varUser, varKey, varPassword, varBecome, varBecomeUser, varBecomePass, varArgs, varConnection)
}

// nodeOf turns a host's variables into a Node. Variables that do not matter for
// the connection may be anything.
func nodeOf(s scope, home string) (Node, error) {
	r := reader{s: s}
	n := Node{
		Name:           s.host,
		Host:           r.last(varHost),
		Port:           r.port(varPort),
		User:           r.last(varUser),
		Password:       secret.New(r.last(varPassword)),
		BecomePassword: secret.New(r.last(varBecomePass)),
		Become:         r.yes(varBecome),
		BecomeUser:     r.last(varBecomeUser),
	}
	if n.Host == "" {
		n.Host = s.host
	}
	if key := r.last(varKey); key != "" {
		n.IdentityFiles = []string{expandHome(key, home)}
	}
	for _, name := range varArgs {
		n.SSHArgs = append(n.SSHArgs, r.args(name)...)
	}
	switch c := r.last(varConnection); c {
	case "local", "ansible.builtin.local":
		n.Local = true
	case "", "ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh":
	default:
		r.fail(varConnection, "is neither ssh nor local")
	}
	if strings.ContainsAny(n.Host, " \t\r\n\x00") || strings.HasPrefix(n.Host, "-") || n.Host == "" {
		r.fail(varHost, "is not an address")
	}
	if strings.ContainsAny(n.User, " \t\r\n\x00") || strings.HasPrefix(n.User, "-") {
		r.fail(varUser, "is not a user name")
	}
	return n, r.err
}

// reader reads variables and keeps the first error.
type reader struct {
	s   scope
	err error
}

func (r *reader) last(names []string) string {
	out := ""
	for _, name := range names {
		text, found, err := r.s.text(name)
		if err != nil && r.err == nil {
			r.err = err
		}
		if found {
			out = text
		}
	}
	return out
}

// fail records a bad value without showing it.
func (r *reader) fail(names []string, text string) {
	if r.err != nil {
		return
	}
	for _, name := range slices.Backward(names) {
		if v, ok := r.s.vars.get(name); ok {
			r.err = errorAt(v.file, v.line, "%s of host %q %s", name, r.s.host, text)
			return
		}
	}
	r.err = errorAt("", 0, "host %q: the name %s", clip(r.s.host), text)
}

func (r *reader) port(names []string) int {
	text := r.last(names)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > 65535 {
		r.fail(names, "is not a port between 1 and 65535")
	}
	return n
}

func (r *reader) yes(names []string) bool {
	switch strings.ToLower(strings.TrimSpace(r.last(names))) {
	case "", "no", "n", "off", "false", "f", "0", "0.0":
		return false
	case "yes", "y", "on", "true", "t", "1", "1.0":
		return true
	}
	r.fail(names, "is neither yes nor no")
	return false
}

func (r *reader) args(name string) []string {
	out, err := words(r.last([]string{name}), false)
	if err != nil {
		r.fail([]string{name}, "cannot be split into words: "+err.Error())
	}
	return out
}

func expandHome(file, home string) string {
	if home != "" && (file == "~" || strings.HasPrefix(file, "~/")) {
		return filepath.Join(home, strings.TrimPrefix(file, "~"))
	}
	return file
}
