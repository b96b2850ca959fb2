package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
)

// Rollout is the spec's rollout, read and checked.
type Rollout struct {
	// Canary nodes are changed first, alone. 0 means no canary.
	Canary int `json:"canary"`
	// MaxUnavailable is how many nodes may be down at once: the size of a wave.
	MaxUnavailable Quota `json:"maxUnavailable"`
	// FailureBudget is how many failed nodes are tolerated.
	FailureBudget int `json:"failureBudget"`
	// OnFailure is never empty.
	OnFailure v1alpha1.OnFailure `json:"onFailure"`
	// ConfirmWithin is from MinConfirm to MaxConfirm.
	ConfirmWithin time.Duration `json:"confirmWithin"`
	// Groups are names of inventory groups, each once.
	Groups []string `json:"groups,omitempty"`
	// ControlPlane is never empty.
	ControlPlane v1alpha1.ControlPlaneOrder `json:"controlPlane"`
}

// Bounds of durations in the spec.
const (
	MinConfirm = 10 * time.Second
	MaxConfirm = 10 * time.Minute
	MinDial    = 100 * time.Millisecond
	MaxDial    = time.Minute
)

// Quota is a number of nodes, or a percentage of them.
type Quota struct {
	Value   int
	Percent bool
}

// Of says how many of total nodes that is. It is rounded down, because rounding up
// would take more nodes away than was written (10% of 11 is 1, not 2), and it is
// at least one, because a run that may touch no node never ends: 10% of 3 and of
// 1 is 1. 100% is all of them. 0 and 0% are no quota; ParseQuota refuses them. A
// number may be larger than total.
func (q Quota) Of(total int) int {
	n := q.Value
	if q.Percent {
		// In this order, so that no number of nodes overflows.
		n = total/100*q.Value + total%100*q.Value/100
	}
	return max(1, n)
}

// String is the form of the spec: 3 or 10%.
func (q Quota) String() string {
	if q.Percent {
		return strconv.Itoa(q.Value) + "%"
	}
	return strconv.Itoa(q.Value)
}

// MarshalText gives String, so that JSON shows 10%.
func (q Quota) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (q *Quota) UnmarshalText(b []byte) error {
	parsed, err := ParseQuota(string(b))
	*q = parsed
	return err
}

// ParseQuota reads 3 or 10%: a whole number from 1, or from 1% to 100%.
func ParseQuota(s string) (Quota, error) {
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || strconv.Itoa(n) != digits || percent && n > 100 {
		return Quota{}, fmt.Errorf("%s is neither a number of nodes from 1 nor a percentage from 1%% to 100%%", show(s))
	}
	return Quota{Value: n, Percent: percent}, nil
}
