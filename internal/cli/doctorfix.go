package cli

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/report"
)

// mostShown is the largest fleet whose fixes are worked out without being asked
// for: each is tried, which takes several times as long as a look.
const mostShown = 20

// examine looks at trees, as many at once as there are processors, and mends what is
// mechanical if it is asked to.
func (a *app) examine(ctx context.Context, trees []doctor.Tree, f doctorFlags) error {
	nodes := fleet.Each(ctx, trees, runtime.GOMAXPROCS(0), func(_ context.Context, t doctor.Tree) report.DoctorNode {
		r := doctor.Examine(t.Node)
		n := report.NewDoctorNode(t.Name, r, f.ignore, t.Local)
		if f.fix || len(trees) <= mostShown {
			r.Findings = n.Findings
			n.Fixes = doctor.Fixes(t.Node, r)
		}
		return n
	})
	if f.fix && !f.dryRun {
		if err := a.writeFixes(trees, nodes, f.ignore); err != nil {
			return err
		}
	}
	return a.diagnose(f.pulls.with(report.NewDoctor(nodes), f.ignore))
}

// writeFixes writes the fixes of each tree, and looks at it again.
func (a *app) writeFixes(trees []doctor.Tree, nodes []report.DoctorNode, ignore []string) error {
	for i, t := range trees {
		fixes := nodes[i].Fixes
		if len(fixes) == 0 {
			continue
		}
		var changes []kubespray.FileChange
		for _, x := range fixes {
			path := t.Target(x.File)
			if path == "" {
				return fmt.Errorf("%s: %s is not here", t.Name, x.File)
			}
			changes = append(changes, kubespray.FileChange{Path: path, Before: x.Before, After: x.After})
		}
		saved, err := kubespray.Save(changes, a.now())
		if err != nil {
			return err
		}
		for j := range saved {
			fixes[j].Backup, fixes[j].Written = saved[j].Backup, true
		}
		nodes[i] = report.NewDoctorNode(t.Name, doctor.Examine(t.Node), slices.Clone(ignore), t.Local)
		nodes[i].Fixes = fixes
	}
	return nil
}
