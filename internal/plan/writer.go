package plan

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// Writer is who wrote a file, as far as the marks in it and beside it tell.
type Writer struct {
	// Name is a stable word of writerMarks, or "pullway"; empty when no known mark
	// is there, as in a file that was written by hand.
	Name string
	// Evidence is the mark in a few words. It never quotes the file.
	Evidence string
	// Again says when this writer writes the file the next time; empty when it
	// does so only when somebody starts it.
	Again string
}

// anybody is what people read where no writer is known.
const anybody = "somebody else"

// String names the writer for people.
func (w Writer) String() string {
	switch w.Name {
	case "":
		return anybody
	case "pullway":
		return "another pullway"
	}
	return w.Name
}

// maxLook is how much of a file is looked at for marks, in bytes.
const maxLook = 64 << 10

// WhoWrote says who wrote a hosts.toml, a config.toml or a drop-in, by the marks
// that writers leave: comments, values that only they write, the shape of their
// templates, and what stands beside. It is pure, takes any bytes, and its time is
// bounded by maxLook. file is the file's path, of which only the last element
// counts. beside are the names next to it: for a hosts.toml those in the hosts
// directory, folders of host directories as "_backup/192.168.21.9"; for a
// configuration file the other files of that configuration.
//
// A shape is likely evidence, not proof: somebody may have copied it.
func WhoWrote(file string, data []byte, beside []string) Writer {
	if hoststoml.Ours(data) {
		return Writer{Name: "pullway", Evidence: "its first line"}
	}
	s := newSight(file, data, beside)
	for _, m := range writerMarks {
		if m.hosts == s.hosts && m.fits(s) {
			return Writer{m.writer, m.evidence, m.again}
		}
	}
	return Writer{}
}

// whoMoved says who moved a host directory away, by what stands in the hosts
// directory now.
func whoMoved(name string, beside []string) Writer {
	if slices.Contains(beside, backupName+"/"+name) {
		return Writer{"spegel", "it stands in " + backupName + " now, where Spegel moves what it finds", spegelAgain}
	}
	return Writer{}
}

// sight is a file as the marks look at it.
type sight struct {
	base string
	// hosts tells a file of a host directory from one of the configuration.
	hosts bool
	// lines without their ends, indentation kept.
	lines []string
	// top is the comment that the file begins with, in lower case.
	top    string
	beside []string
}

func newSight(file string, data []byte, beside []string) sight {
	s := sight{base: path.Base(file), beside: beside}
	s.hosts = s.base == hoststoml.FileName
	begun := false
	var top strings.Builder
	for line := range bytes.Lines(data[:min(len(data), maxLook)]) {
		text := string(bytes.TrimRight(line, "\r\n"))
		s.lines = append(s.lines, text)
		trimmed := strings.TrimSpace(text)
		begun = begun || trimmed != "" && trimmed[0] != '#'
		if !begun {
			top.WriteString(strings.ToLower(trimmed) + "\n")
		}
	}
	s.top = top.String()
	return s
}

// starts reports whether some line, its indentation aside, begins with each of these.
func (s sight) starts(with ...string) bool {
	for _, w := range with {
		if !slices.ContainsFunc(s.lines, func(l string) bool { return strings.HasPrefix(strings.TrimLeft(l, " \t"), w) }) {
			return false
		}
	}
	return true
}

// has reports whether some line holds the text, comments included.
func (s sight) has(text string) bool {
	return slices.ContainsFunc(s.lines, func(l string) bool { return strings.Contains(l, text) })
}
