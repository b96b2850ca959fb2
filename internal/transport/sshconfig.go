package transport

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// maxConfig bounds the files that are read whole: SSH configuration, known hosts
// and keys.
const maxConfig = 16 << 20

// sshConfig is the SSH configuration files, the first of which counts most.
type sshConfig struct {
	files    []*ssh_config.Config
	warnings []string
}

// readSSHConfig reads one named file, which must exist, or the user's and the
// system's. A default file that cannot be understood (Match exec, say) is left
// out with a warning: it may have nothing to do with these nodes.
func readSSHConfig(named, home string) (*sshConfig, error) {
	if named == "none" {
		return &sshConfig{}, nil
	}
	if named != "" {
		c, err := parseSSHConfig(named)
		if err != nil {
			return nil, fault(KindUnreachable, "", err, "SSH configuration %s: %v", named, err)
		}
		return &sshConfig{files: []*ssh_config.Config{c}}, nil
	}
	all := &sshConfig{}
	for _, name := range []string{filepath.Join(home, ".ssh", "config"), "/etc/ssh/ssh_config"} {
		c, err := parseSSHConfig(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			all.warnings = append(all.warnings, oneLine("SSH configuration "+name+" is not used: "+err.Error()))
		default:
			all.files = append(all.files, c)
		}
	}
	return all, nil
}

func parseSSHConfig(name string) (*ssh_config.Config, error) {
	b, err := readBounded(name)
	if err != nil {
		return nil, err
	}
	return ssh_config.DecodeBytes(b)
}

// readBounded reads a file of at most maxConfig bytes.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err == nil && st.Size() > maxConfig {
		return nil, fs.ErrInvalid
	}
	return readAtMost(f, maxConfig)
}

// get returns the first value of a keyword for an alias, "" for none.
func (c *sshConfig) get(alias, key string) string {
	for _, f := range c.files {
		if v, err := f.Get(alias, key); err == nil && v != "" {
			return unquoted(v)
		}
	}
	return ""
}

// all returns every value of a keyword for an alias.
func (c *sshConfig) all(alias, key string) []string {
	var values []string
	for _, f := range c.files {
		vs, _ := f.GetAll(alias, key)
		for _, v := range vs {
			values = append(values, unquoted(v))
		}
	}
	return values
}

// unquoted takes the quotes off a value that stands in them.
func unquoted(v string) string {
	if len(v) >= 2 && v[0] == '"' && strings.IndexByte(v[1:], '"') == len(v)-2 {
		return v[1 : len(v)-1]
	}
	return v
}
