package transport

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownKeys is what a list of known_hosts files says.
type knownKeys struct {
	check ssh.HostKeyCallback
	// origin maps the name of a file that was read to the user's name for it.
	origin map[string]string
	// authority marks the lines that name a certificate authority.
	authority map[string]map[int]bool
}

// keysFor lists the keys and authorities of a host.
func (k *knownKeys) keysFor(name string) []knownhosts.KnownKey {
	var differs *knownhosts.KeyError
	if errors.As(k.check(name, noAddr, nobodysKey()), &differs) {
		return differs.Want
	}
	return nil
}

func (k *knownKeys) isAuthority(key knownhosts.KnownKey) bool {
	return k.authority[key.Filename][key.Line]
}

func (k *knownKeys) file(key knownhosts.KnownKey) string {
	if name, ok := k.origin[key.Filename]; ok {
		return name
	}
	return key.Filename
}

// place is file:line.
func (k *knownKeys) place(key knownhosts.KnownKey) string {
	return fmt.Sprintf("%s:%d", k.file(key), key.Line)
}

// readKnownKeys reads those of the files that exist. Lines that cannot be
// understood are left out, as OpenSSH does: one odd line must not lock out every
// node. They never make a key believed.
func readKnownKeys(files []string) (*knownKeys, error) {
	k := &knownKeys{origin: map[string]string{}, authority: map[string]map[int]bool{}}
	var names []string
	for _, name := range files {
		b, err := readBounded(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault(KindHostKey, "", err, "known_hosts %s cannot be read: %v", name, err)
		}
		kept, authority, dropped := filterKnownHosts(b)
		if dropped {
			tmp, err := writeTemp(kept)
			if err != nil {
				return nil, fault(KindHostKey, "", err, "known_hosts %s cannot be read: %v", name, err)
			}
			defer func() { _ = os.Remove(tmp) }()
			k.origin[tmp] = name
			name = tmp
		}
		k.authority[name] = authority
		names = append(names, name)
	}
	check, err := knownhosts.New(names...)
	if err != nil {
		return nil, fault(KindHostKey, "", err, "known_hosts cannot be read: %v", err)
	}
	k.check = check
	return k, nil
}

// filterKnownHosts blanks the lines that cannot be understood, keeping the
// numbers of the others.
func filterKnownHosts(b []byte) (kept []byte, authority map[int]bool, dropped bool) {
	authority = map[int]bool{}
	lines := bytes.Split(b, []byte{'\n'})
	for i, line := range lines {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		marker, _, _, _, _, err := ssh.ParseKnownHosts(line)
		if err != nil || len(line) > 60<<10 || !plausibleHosts(string(line)) {
			lines[i], dropped = nil, true
			continue
		}
		authority[i+1] = marker == "cert-authority"
	}
	return bytes.Join(lines, []byte{'\n'}), authority, dropped
}

// plausibleHosts refuses the host patterns for which the knownhosts package would
// refuse the whole file.
func plausibleHosts(line string) bool {
	fields := strings.Fields(line)
	if strings.HasPrefix(fields[0], "@") {
		fields = fields[1:]
	}
	if len(fields) < 3 {
		return false
	}
	if hashed := strings.Split(fields[0], "|"); hashed[0] == "" && len(hashed) > 1 {
		return len(hashed) == 4 && hashed[1] == "1" && isBase64(hashed[2]) && isBase64(hashed[3])
	}
	for _, p := range strings.Split(fields[0], ",") {
		if p == "!" {
			return false
		}
		if p = strings.TrimPrefix(p, "!"); strings.HasPrefix(p, "[") {
			if _, _, err := net.SplitHostPort(p); err != nil {
				return false
			}
		}
	}
	return true
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}

func writeTemp(b []byte) (string, error) {
	f, err := os.CreateTemp("", "pullway-known-hosts-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return f.Name(), err
}

// knownStore reads known_hosts files once and adds to them.
type knownStore struct {
	mu    sync.Mutex
	cache map[string]*knownKeys
}

// known returns what the files say.
func (s *knownStore) known(files []string) (*knownKeys, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read(files)
}

func (s *knownStore) read(files []string) (*knownKeys, error) {
	id := strings.Join(files, "\x00")
	if k := s.cache[id]; k != nil {
		return k, nil
	}
	k, err := readKnownKeys(files)
	if err != nil {
		return nil, err
	}
	if s.cache == nil {
		s.cache = map[string]*knownKeys{}
	}
	s.cache[id] = k
	return k, nil
}

// add appends one line to the first file, unless judge no longer finds the host
// unknown. The file is locked meanwhile and the line is written in one piece;
// nothing that is in the file changes.
func (s *knownStore) add(files []string, line string, judge func(*knownKeys) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := files[0]
	bad := func(err error) error {
		return fault(KindHostKey, "", err, "the new host key cannot be added to %s: %v", name, err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return bad(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return bad(err)
	}
	defer func() { _ = f.Close() }()
	if err := lockFile(f); err != nil {
		return bad(err)
	}
	s.cache = nil
	known, err := s.read(files)
	if err != nil {
		return err
	}
	if err := judge(known); !errors.Is(err, errUnknownKey) {
		return err
	}
	s.cache = nil
	if !endsInNewline(f) {
		line = "\n" + line
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		return bad(err)
	}
	return nil
}

// endsInNewline is true for an empty file too.
func endsInNewline(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return true
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, st.Size()-1)
	return err != nil || last[0] == '\n'
}
