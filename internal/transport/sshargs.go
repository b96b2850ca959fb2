package transport

import (
	"fmt"
	"strings"
)

// sshArgs is an ssh command line that was understood.
type sshArgs struct {
	// config is the file of -F; empty for none.
	config string
	// options by lower-case keyword, in their order; of most the first counts.
	options map[string][]string
	// warnings name what was not understood.
	warnings []string
}

// honoured are the -o keywords that change how a node is reached.
var honoured = map[string]bool{
	"connecttimeout": true, "hostkeyalias": true, "hostname": true, "identitiesonly": true, "identityfile": true,
	"port": true, "proxycommand": true, "proxyjump": true, "stricthostkeychecking": true, "user": true,
	"userknownhostsfile": true, "globalknownhostsfile": true, "hashknownhosts": true,
}

// harmless are -o keywords without a meaning here: one connection is kept open
// and watched anyway, and there is never a terminal or a forwarding.
var harmless = map[string]bool{
	"addkeystoagent": true, "batchmode": true, "checkhostip": true, "compression": true, "controlmaster": true,
	"controlpath": true, "controlpersist": true, "escapechar": true, "forwardagent": true, "forwardx11": true,
	"gssapiauthentication": true, "loglevel": true, "requesttty": true, "serveralivecountmax": true,
	"serveraliveinterval": true, "tcpkeepalive": true, "updatehostkeys": true, "visualhostkey": true,
}

// parseSSHArgs understands the flags of ssh that say how to reach a host. It
// never fails: what it does not know makes a warning.
func parseSSHArgs(words []string) sshArgs {
	a := sshArgs{options: map[string][]string{}}
	for i := 0; i < len(words); i++ {
		w := words[i]
		if len(w) < 2 || w[0] != '-' {
			a.warn("SSH argument %q is not understood", w)
			continue
		}
		flag, value := w[1], w[2:]
		if !strings.ContainsRune(withValue, rune(flag)) {
			for _, f := range w[1:] {
				if !strings.ContainsRune(plainFlags, f) {
					a.warn("SSH argument %q is not understood", w)
					break
				}
			}
			continue
		}
		if value == "" {
			if i++; i >= len(words) {
				a.warn("SSH argument %q lacks its value", w)
				break
			}
			value = words[i]
		}
		a.flag(flag, value)
	}
	return a
}

const (
	// withValue are the flags of ssh that take a value.
	withValue = "BDEFIJLOPQRSWbceilmopw"
	// plainFlags are those without a value that need no warning.
	plainFlags = "46ACTXYaknqtvx"
)

func (a *sshArgs) flag(flag byte, value string) {
	switch flag {
	case 'F':
		a.config = value
	case 'J':
		a.add("proxyjump", value)
	case 'i':
		a.add("identityfile", value)
	case 'l':
		a.add("user", value)
	case 'p':
		a.add("port", value)
	case 'S': // a control socket
	case 'o':
		key, val, ok := strings.Cut(strings.TrimSpace(value), "=")
		if k, v, spaced := strings.Cut(strings.TrimSpace(value), " "); spaced && (!ok || len(k) < len(key)) {
			key, val = k, strings.TrimPrefix(strings.TrimSpace(v), "=")
		}
		switch key, val = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(val); {
		case honoured[key] && val != "":
			a.add(key, val)
		case !harmless[key]:
			a.warn("SSH option %q is not honoured", value)
		}
	default:
		a.warn("SSH argument -%c is not honoured", flag)
	}
}

func (a *sshArgs) add(key, value string) { a.options[key] = append(a.options[key], value) }

func (a *sshArgs) warn(format string, args ...any) {
	a.warnings = append(a.warnings, oneLine(fmt.Sprintf(format, args...)))
}
