package transport

import "strings"

// sudoHints knows what sudo says (LC_ALL=C) when it refuses, in the words of sudo
// 1.8 to 1.9 and of sudo-rs, and what to do about it. The first match counts.
var sudoHints = []struct{ says, text, hint string }{
	{"a password is required", "sudo asks for a password and there is none",
		"give --become-password-env or ansible_become_password, or allow the user NOPASSWD in sudoers"},
	{"a terminal is required", "sudo asks for a password and there is none",
		"give --become-password-env or ansible_become_password, or allow the user NOPASSWD in sudoers"},
	{"authentication is required", "sudo asks for a password and there is none",
		"give --become-password-env or ansible_become_password, or allow the user NOPASSWD in sudoers"},
	{"no password was provided", "sudo's password was refused", wrongPasswordHint},
	{"incorrect password", "sudo's password was refused", wrongPasswordHint},
	{"incorrect authentication", "sudo's password was refused", wrongPasswordHint},
	{"sorry, try again", "sudo's password was refused", wrongPasswordHint},
	{"must have a tty", "sudo wants a terminal (requiretty)",
		"add \"Defaults:USER !requiretty\" to sudoers for the login user"},
	{"not in the sudoers file", "the login user may not use sudo", notAllowedHint},
	{"may not run sudo", "the login user may not use sudo", notAllowedHint},
	{"not allowed to", "sudo does not allow the login user this command", notAllowedHint},
	{"i'm afraid i can't do that", "the login user may not use sudo", notAllowedHint},
	{"effective uid is not 0", "sudo is not set-uid root on the node", "look at the owner and mode of sudo, and for a nosuid mount"},
	{"no new privileges", "the node's SSH service forbids sudo (no_new_privs)", "log in as root, or take NoNewPrivileges off the SSH service"},
	{"account validation failure", "the login user's account is locked or its password has expired", "log in by hand once"},
	{"timed out", "sudo waited too long for its password", ""},
}

const (
	wrongPasswordHint = "check ansible_become_password for this node"
	notAllowedHint    = "the engine needs root: allow the user \"ALL\" in sudoers, or log in as root"
)

// sudoError explains why sudo ended before our script ran.
func sudoError(stderr string) *Error {
	low := strings.ToLower(stderr)
	for _, h := range sudoHints {
		if strings.Contains(low, h.says) {
			return fault(KindSudo, h.hint, nil, "%s", h.text)
		}
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := lines[len(lines)-1]
	if last == "" {
		last = "it said nothing"
	}
	return fault(KindSudo, notAllowedHint, nil, "sudo did not start the engine: %s", last)
}
