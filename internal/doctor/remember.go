package doctor

import "errors"

// remembered are files of which each is read once, however many releases look.
type remembered struct {
	Files
	files map[string]read
	globs map[string]globbed
}

type read struct {
	data []byte
	err  error
}

type globbed struct {
	names []string
	err   error
}

func remember(f Files) *remembered {
	return &remembered{Files: f, files: map[string]read{}, globs: map[string]globbed{}}
}

// ReadFile implements configtoml.Source.
func (m *remembered) ReadFile(path string) ([]byte, error) {
	r, ok := m.files[path]
	if !ok {
		r.data, r.err = m.Files.ReadFile(path)
		m.files[path] = r
	}
	return r.data, r.err
}

// Glob implements configtoml.Source.
func (m *remembered) Glob(pattern string) ([]string, error) {
	g, ok := m.globs[pattern]
	if !ok {
		g.names, g.err = m.Files.Glob(pattern)
		m.globs[pattern] = g
	}
	return g.names, g.err
}

// configSource gives the files of the configuration. One that was not given counts
// as empty, and is told of.
type configSource struct{ *sight }

// ReadFile implements configtoml.Source.
func (c configSource) ReadFile(path string) ([]byte, error) {
	data, err := c.files.ReadFile(path)
	if errors.Is(err, ErrOutside) {
		c.failed(path, err)
		return nil, nil
	}
	return data, err
}

// Glob implements configtoml.Source.
func (c configSource) Glob(pattern string) ([]string, error) { return c.files.Glob(pattern) }
