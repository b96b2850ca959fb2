package kubespray

import "fmt"

// Standing are problems of variables that stay in the inventory when the changes
// are written, and because of which the play would fail or leave a node whose
// containerd cannot read its files: such as the guide's list before 2.23. What is
// merely ignored is none. path is the inventory that was read for the changes.
func Standing(p Profile, path string, changes []FileChange) ([]Problem, error) {
	contents := map[string][]byte{}
	for _, c := range changes {
		contents[c.Path] = c.After
	}
	v, err := readAs(path, contents)
	if err != nil {
		return nil, err
	}
	var all []Problem
	for _, f := range Check(p, v) {
		if f.Verdict != Fails && f.Verdict != Breaks {
			continue
		}
		all = append(all, Problem{
			Text: fmt.Sprintf("%s %s at %s:%d: %s", f.Variable, f.Verdict, f.File, f.Line, f.Text),
			Hint: "put it right or take it out first: pullway kubespray check shows what to write",
		})
	}
	return all, nil
}
