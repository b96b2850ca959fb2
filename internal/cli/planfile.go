package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/report"
)

// matchPlan compares what is planned now with a plan that was saved by
// `pullway plan -o json` and reviewed. What was reviewed is what runs, or nothing
// does: a changed specification, another node, or a node that is no longer as it
// was refuses the whole.
func matchPlan(path string, l *config.Loaded, now []fleet.Planned) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return usage(err, "")
	}
	var saved report.Plan
	if err := json.Unmarshal(data, &saved); err != nil || saved.Schema != report.PlanSchema {
		return usage(fmt.Errorf("%s is no saved plan", path), "save one by: pullway plan -o json > "+path)
	}
	if saved.SpecDigest != l.Digest {
		return &exitError{ExitFailed, fmt.Errorf("%s was made of another specification", path), "plan again and look at what changed"}
	}
	reviewed := map[string]report.PlanNode{}
	for _, n := range saved.Nodes {
		reviewed[n.Name] = n
	}
	var stale []string
	for _, n := range now {
		old := reviewed[n.Target.Name]
		if n.Plan != nil && (old.Plan == nil || old.Plan.Fingerprint != n.Plan.Fingerprint) {
			stale = append(stale, n.Target.Name)
		}
	}
	if len(stale) > 0 {
		return &exitError{ExitFailed, errors.New("the plan is stale, nothing was changed: not as they were when it was made: " + strings.Join(stale, ", ")),
			"plan again, with the same --adopt and --force, and look at what changed"}
	}
	return nil
}
