package rules

import (
	"slices"
	"strings"
)

// The words for how a daemon ended up.
const (
	Exits = "exits"
	NoCRI = "no CRI"
)

// Observed puts in one line what a pull showed: whether it worked, and who was asked
// for the tag, in order, then who was asked for anything else.
func Observed(pulled bool, asked []Asked) string {
	text := "failed"
	if pulled {
		text = "pulled"
	}
	var order []string
	add := func(a Asked, again bool) {
		with := a.Where + withCredential
		i := slices.IndexFunc(order, func(o string) bool { return o == a.Where || o == with })
		last := len(order) - 1
		switch {
		case len(order) > 0 && (order[last] == a.Where || order[last] == with):
			i = last
		case i >= 0 && again:
			i = -1
		}
		if i < 0 {
			order = append(order, a.Where)
			i = len(order) - 1
		}
		if a.Credential {
			order[i] = with
		}
	}
	for _, a := range asked {
		if a.ByTag && a.Method == "HEAD" {
			add(a, true)
		}
	}
	for _, a := range asked {
		if !a.ByTag || a.Method != "HEAD" {
			add(a, false)
		}
	}
	if len(order) == 0 {
		return text + "; asked nobody"
	}
	return text + "; asked " + strings.Join(order, ", ")
}

const withCredential = " (credential)"
