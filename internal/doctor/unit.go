package doctor

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// unit is what containerd's systemd unit says, drop-ins included.
type unit struct {
	// file is the last one that said something of proxies or of the kill mode.
	killModeAt, proxyAt string
	killMode            string
	// exec is the program that it starts.
	exec  string
	proxy httpproxy.Config
}

const unitName = "containerd.service"

// unitDirs are where systemd looks, the first one wins.
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// readUnit reads the unit; nil where there is none.
func readUnit(files Files) *unit {
	u := &unit{}
	found := false
	for _, dir := range unitDirs {
		if data, err := files.ReadFile(path.Join(dir, unitName)); err == nil {
			u.read(files, path.Join(dir, unitName), string(data))
			found = true
			break
		}
	}
	if !found {
		return nil
	}
	dropIns := map[string]string{}
	for _, dir := range unitDirs {
		names, _ := files.Glob(path.Join(dir, unitName+".d", "*.conf"))
		for _, name := range names {
			if _, shadowed := dropIns[path.Base(name)]; !shadowed {
				dropIns[path.Base(name)] = name
			}
		}
	}
	var names []string
	for name := range dropIns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if data, err := files.ReadFile(dropIns[name]); err == nil {
			u.read(files, dropIns[name], string(data))
		}
	}
	return u
}

func (u *unit) read(files Files, file, text string) {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		switch strings.TrimSpace(key) {
		case "ExecStart":
			if program := words(strings.TrimLeft(strings.TrimSpace(value), "@-:+!")); len(program) > 0 {
				u.exec = program[0]
			}
		case "KillMode":
			u.killMode, u.killModeAt = strings.TrimSpace(value), file
		case "Environment":
			for _, word := range words(value) {
				u.set(word, file)
			}
		case "EnvironmentFile":
			name := strings.TrimPrefix(strings.TrimSpace(value), "-")
			if data, err := files.ReadFile(name); path.IsAbs(name) && err == nil {
				for line := range strings.Lines(string(data)) {
					u.set(strings.Trim(strings.TrimSpace(line), `"'`), name)
				}
			}
		}
	}
}

func (u *unit) set(assignment, file string) {
	name, value, ok := strings.Cut(assignment, "=")
	if !ok {
		return
	}
	value = strings.Trim(value, `"'`)
	switch strings.ToUpper(name) {
	case "HTTP_PROXY":
		u.proxy.HTTPProxy, u.proxyAt = value, file
	case "HTTPS_PROXY":
		u.proxy.HTTPSProxy, u.proxyAt = value, file
	case "NO_PROXY":
		u.proxy.NoProxy = value
	}
}

// words splits at blanks that are not within quotes, and takes the quotes away.
func words(s string) (all []string) {
	var word strings.Builder
	quote := rune(0)
	flush := func() {
		if word.Len() > 0 {
			all = append(all, word.String())
			word.Reset()
		}
	}
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n' || r == '\r'):
			flush()
		default:
			word.WriteRune(r)
		}
	}
	flush()
	return all
}
