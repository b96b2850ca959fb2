// Package rules holds the examples of doctor's rules for the tests: how one is read
// and written, and the truth table of what real containerds make of them.
package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Releases that the truth table has: one of each line that clusters run.
var Releases = []string{"1.6.20", "1.7.35", "2.0.14", "2.2.3", "2.4.2"}

// Example is a node that has one thing wrong, or has it right. Its file is an archive:
// one line that says what it is, lines of settings, then the files.
//
//	fires: 1.6.20 2.4.2     releases on which the rule is told; no other of on may tell it
//	on: 1.6.20 2.4.2        releases that it is for, where it is not Releases
//	pull: IMAGE             what is pulled, secret: USER:PASSWORD with which pull secret
//	effect: PATTERN         what a pull or a start shows where the rule is told, and nowhere
//	                        else; none where there is nothing to see. Of a good example
//	                        what it shows; without one, not what the bad one shows
//	effect RELEASE: PATTERN the same for one release
//	mode: 0600 PATH         of a file
type Example struct {
	// Name is RULE/bad or RULE/good, with a suffix where there are several.
	Name, Rule string
	Good       bool
	Why        string
	Fires, On  []string
	Pull       string
	Secret     string
	Modes      map[string]os.FileMode
	effects    map[string]string
	Files      []txtar.File
}

// Load reads every example below dir.
func Load(dir string) ([]Example, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*", "*.txtar"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no example below %s (%v)", dir, err)
	}
	var all []Example
	for _, name := range names {
		e, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, e)
	}
	return all, nil
}

func read(name string) (Example, error) {
	kind := strings.TrimSuffix(filepath.Base(name), ".txtar")
	e := Example{Rule: filepath.Base(filepath.Dir(name)), Good: strings.HasPrefix(kind, "good"), On: Releases, effects: map[string]string{}, Modes: map[string]os.FileMode{}}
	e.Name = e.Rule + "/" + kind
	a, err := txtar.ParseFile(name)
	if err != nil {
		return e, err
	}
	e.Files = a.Files
	lines := strings.Split(strings.TrimSpace(string(a.Comment)), "\n")
	e.Why = lines[0]
	for _, line := range lines[1:] {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			return e, fmt.Errorf("line %q is no setting", line)
		}
		word, release, _ := strings.Cut(key, " ")
		switch word {
		case "fires":
			e.Fires = strings.Fields(value)
		case "on":
			e.On = strings.Fields(value)
		case "pull":
			e.Pull = value
		case "secret":
			e.Secret = value
		case "effect":
			e.effects[release] = value
		case "mode":
			bits, path, _ := strings.Cut(value, " ")
			mode, err := strconv.ParseUint(bits, 8, 32)
			if err != nil {
				return e, err
			}
			e.Modes[path] = os.FileMode(mode)
		default:
			return e, fmt.Errorf("no setting %q", word)
		}
	}
	return e, nil
}

// Effect is the pattern for a release; "" where there is nothing to see.
func (e Example) Effect(release string) string {
	p, ok := e.effects[release]
	if !ok {
		p = e.effects[""]
	}
	if p == "none" {
		return ""
	}
	return p
}

// Tells reports whether the rule is told on a release.
func (e Example) Tells(release string) bool { return slices.Contains(e.Fires, release) }

// Judged are the releases that it says something about.
func (e Example) Judged() []string {
	all := slices.Clone(e.On)
	for _, r := range e.Fires {
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// Write makes the files below dir; words such as @CA@ are replaced.
func (e Example) Write(dir string, replace *strings.Replacer) error {
	for _, f := range e.Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if m, ok := e.Modes[f.Name]; ok {
			mode = m
		}
		if err := os.WriteFile(name, []byte(replace.Replace(string(f.Data))), mode); err != nil {
			return err
		}
		if err := os.Chmod(name, mode); err != nil {
			return err
		}
	}
	return nil
}
