package protocol

import (
	"errors"
	"fmt"
	"sync"
)

// Bounds of what an engine may say. A real plan of 1,000 registries, each with
// three endpoints and their authorities, is a line of 3.7 MB with 20,000 values;
// one of 100 registries takes a tenth, one of three 12 KB (TestALargeRealPlanFits).
const (
	// MaxAnswer is the longest line that is taken from an engine, in bytes.
	MaxAnswer = 8 << 20
	// MaxValues bounds the values of one line, MaxDepth how deep they nest: three
	// bytes of JSON can ask for two hundred bytes of memory.
	MaxValues = 1 << 17
	MaxDepth  = 64
	// MaxEvents bounds the events of one conversation.
	MaxEvents = 10_000
	// maxStep is the longest name of a step, in bytes.
	maxStep = 64
)

// weightOfValue is about what one decoded value takes, in bytes; freeWeight is
// what every conversation may hold without asking the Budget.
const (
	weightOfValue = 200
	freeWeight    = 1 << 20
)

// DefaultBudget is the weight that the answers of all nodes of one command may
// have together beyond a free MiB each, in bytes.
const DefaultBudget = 512 << 20

// ErrTooMuch tells that an engine said more than it may.
var ErrTooMuch = errors.New("the engine says more than an engine has to say")

// Budget bounds what all conversations of one command hold of what they were
// told. Small answers are free, so nodes that use it up take nothing from the
// others. A nil Budget has no end.
type Budget struct {
	mu   sync.Mutex
	left int64
}

// NewBudget makes a Budget of so many bytes.
func NewBudget(bytes int64) *Budget { return &Budget{left: bytes} }

func (b *Budget) take(n int64) error {
	if b == nil || n <= 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return fmt.Errorf("%w: together with those of other nodes its answer takes too much memory", ErrTooMuch)
	}
	b.left -= n
	return nil
}

func (b *Budget) give(n int64) {
	if b == nil || n <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// purse is what one conversation has taken of a Budget.
type purse struct {
	budget *Budget
	taken  int64
}

// hold makes weight what the conversation holds, and fails when the budget has
// not got it.
func (p *purse) hold(weight int64) error {
	want := max(0, weight-freeWeight)
	if want > p.taken {
		if err := p.budget.take(want - p.taken); err != nil {
			return err
		}
	} else {
		p.budget.give(p.taken - want)
	}
	p.taken = want
	return nil
}

// countValues counts the values of a JSON line before anything is made of them.
// It need not be exact, and says nothing on whether the line is JSON.
func countValues(line []byte) (int, error) {
	values, depth, quoted := 1, 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			values++
		case c == '{', c == '[':
			values++
			depth++
		case c == '}', c == ']':
			depth--
		}
		if depth > MaxDepth {
			return 0, fmt.Errorf("%w: values nest deeper than %d", ErrTooMuch, MaxDepth)
		}
		if values > MaxValues {
			return 0, fmt.Errorf("%w: a line of more than %d values", ErrTooMuch, MaxValues)
		}
	}
	return values, nil
}
