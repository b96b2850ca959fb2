package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	saved, err := readPlan(path)
	if err != nil {
		return err
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
			"plan again, with the same --overwrite, --adopt and --force, and look at what changed"}
	}
	return nil
}

// maxPlanFile is the largest saved plan that is read, in bytes: 5,000 nodes with
// three registries each take 60 MB.
const maxPlanFile = 256 << 20

// readPlan reads a plan that was saved.
func readPlan(path string) (report.Plan, error) {
	var saved report.Plan
	f, err := os.Open(path)
	if err != nil {
		return saved, usage(err, "")
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxPlanFile+1))
	switch {
	case err != nil:
		return saved, usage(err, "")
	case len(data) > maxPlanFile:
		return saved, usage(fmt.Errorf("%s is larger than %d MB, which no saved plan is", path, maxPlanFile>>20), "")
	}
	if err := json.Unmarshal(data, &saved); err != nil || saved.Schema != report.PlanSchema {
		return saved, usage(fmt.Errorf("%s is no saved plan", path), "save one by: pullway plan -o json > "+path)
	}
	return saved, nil
}
