package doctor

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/pullway/pullway/internal/containerd"
)

// lines are containerd's release lines with a late release of each, for what
// becomes of a finding with an upgrade.
var lines = []containerd.Release{
	{Major: 1, Minor: 6, Patch: 36}, {Major: 1, Minor: 7, Patch: 35}, {Major: 2, Minor: 0, Patch: 14}, {Major: 2, Minor: 1, Patch: 9},
	{Major: 2, Minor: 2, Patch: 9}, {Major: 2, Minor: 3, Patch: 7}, {Major: 2, Minor: 4, Patch: 2},
}

func lineOf(r containerd.Release) string { return fmt.Sprintf("%d.%d", r.Major, r.Minor) }

// judged are the releases that a node is judged for: its own, then a late one of its
// line and of every newer line. A node of unknown release is judged for all lines.
func judged(own containerd.Release) []containerd.Release {
	if own == (containerd.Release{}) {
		return lines
	}
	all := []containerd.Release{own}
	for _, r := range lines {
		if r.Compare(own) > 0 {
			all = append(all, r)
		}
	}
	return all
}

// since names the i-th of the releases: by its line, or in full within the line of
// the first.
func since(releases []containerd.Release, i int) string {
	if lineOf(releases[i]) == lineOf(releases[0]) {
		return releases[i].String()
	}
	return lineOf(releases[i])
}

// releaseInText is the release that a text names as the one it speaks for, which
// makes no difference between two texts.
var releaseInText = regexp.MustCompile(`containerd \d+\.\d+\.\d+`)

func sameText(a, b string) bool {
	return releaseInText.ReplaceAllString(a, "containerd") == releaseInText.ReplaceAllString(b, "containerd")
}

type findingKey struct {
	rule, file   string
	line, column int
	nth          int
}

// merged makes one list of what was found for each of the releases, in their order.
func merged(releases []containerd.Release, found [][]Finding) []Finding {
	at := map[findingKey]int{}
	var all []Finding
	var last []int // the last release, by its index, on which each of all was seen
	for i, list := range found {
		seen := map[findingKey]int{}
		for _, f := range list {
			key := findingKey{f.Rule, f.File, f.Line, f.Column, 0}
			key.nth = seen[key]
			seen[findingKey{f.Rule, f.File, f.Line, f.Column, 0}]++
			j, known := at[key]
			if !known {
				at[key] = len(all)
				if i > 0 {
					f.Since = since(releases, i)
				}
				all, last = append(all, f), append(last, i)
				continue
			}
			last[j] = i
			severity, text := all[j].Severity, all[j].Text
			if n := len(all[j].Later); n > 0 {
				severity, text = all[j].Later[n-1].Severity, all[j].Later[n-1].Text
			}
			if f.Severity != severity || !sameText(f.Text, text) {
				all[j].Later = append(all[j].Later, Later{since(releases, i), f.Severity, f.Text})
			}
		}
	}
	for j := range all {
		if last[j]+1 < len(releases) {
			all[j].Until = since(releases, last[j]+1)
		}
	}
	all = slices.DeleteFunc(all, func(f Finding) bool { return f.Since != "" && f.Severity == Advice })
	sortFindings(all)
	return all
}

// Lines are late releases of containerd, one of each line.
func Lines() (all []string) {
	for _, r := range lines {
		all = append(all, r.String())
	}
	return all
}
