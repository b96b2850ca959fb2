package doctor

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Match is a rule that a message is of.
type Match struct {
	Rule Rule
	// Line of the message by which it was found.
	Line string
	// weight is how much of the text was to be found.
	weight int
}

// MaxMessage is how much of a message is read, in bytes.
const MaxMessage = 16 << 20

// What fits less well is left out: of one line, and of all of them.
const (
	maxOfLine  = 4
	maxMatches = 8
)

// Explain finds the rules that error messages are of: the text of kubelet's
// events, of crictl, or of containerd's log. What names its cause comes first.
// Words between the fixed parts of a rule's text may be anything.
func Explain(text string) []Match {
	text = text[:min(len(text), MaxMessage)]
	best := map[string]Match{}
	order := []string{}
	for line := range strings.Lines(text) {
		plain := unquoted(strings.ToValidUTF8(line, "?"))
		if len(plain) > 64<<10 {
			plain = plain[:64<<10]
		}
		for _, p := range patterns {
			if !strings.Contains(plain, p.needle) || !p.re().MatchString(plain) {
				continue
			}
			old, known := best[p.rule]
			if !known {
				order = append(order, p.rule)
			}
			if !known || p.weight > old.weight {
				best[p.rule] = Match{Rule: *byID[p.rule], Line: strings.TrimSpace(line), weight: p.weight}
			}
		}
	}
	var all []Match
	for _, id := range order {
		all = append(all, best[id])
	}
	slices.SortStableFunc(all, func(a, b Match) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(likely(a.Rule), likely(b.Rule)))
	})
	ofLine := map[string]int{}
	all = slices.DeleteFunc(all, func(m Match) bool { ofLine[m.Line]++; return ofLine[m.Line] > maxOfLine })
	return all[:min(len(all), maxMatches)]
}

// likely orders rules that a text fits equally well: what is met most often first.
func likely(r Rule) int {
	order := []string{"HST005", "HST004", "HST012", "HST014", "AUT002", "CFG001", "DIR001", "RUN004", "HST018", "HST001", "CFG021", "CFG022"}
	if i := slices.Index(order, r.ID); i >= 0 {
		return i
	}
	return len(order)
}

// pattern is one error text of a rule.
type pattern struct {
	rule string
	// needle is the longest fixed part, looked for before re is tried.
	needle string
	re     func() *regexp.Regexp // made when it is asked for first
	weight int
}

var patterns = func() (all []pattern) {
	for _, r := range Catalogue() {
		for _, text := range r.Errors {
			all = append(all, patternOf(r.ID, text))
		}
	}
	return all
}()

func patternOf(rule, text string) pattern {
	// What has many holes fits much.
	p := pattern{rule: rule, weight: -10 * strings.Count(text, "…")}
	var expr []string
	for part := range strings.SplitSeq(unquoted(text), "…") {
		expr = append(expr, regexp.QuoteMeta(part))
		part = strings.TrimSpace(part)
		p.weight += len(part)
		if len(part) > len(p.needle) {
			p.needle = part
		}
	}
	p.re = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(strings.Join(expr, ".{0,400}?")) })
	return p
}

// unquoted takes the backslashes away that logs put before quotes.
func unquoted(s string) string { return strings.ReplaceAll(s, `\`, "") }
