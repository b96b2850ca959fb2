package node

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// mended observes the node and makes the plan that mends what is mechanical.
func (e *Engine) mended(ctx context.Context, req protocol.Request) (*observation, plan.Made, config.Desired, error) {
	desired := config.Desired{Name: protocol.MendName, VerifyImages: req.Mend.Verify}
	e.tell(protocol.StepObserve, "")
	key, err := e.store.key()
	if err != nil {
		return nil, plan.Made{}, desired, err
	}
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, plan.Made{}, desired, err
	}
	n, err := o.patient(ctx)
	if err != nil {
		o.close()
		return nil, plan.Made{}, desired, err
	}
	var files []plan.Mended
	for _, f := range mendable(n, doctor.Examine(n), req.Mend) {
		files = append(files, mendedFile(f))
	}
	return o, plan.ForFix(o.Observed, files, plan.Options{Force: req.Force, Key: key}), desired, nil
}

// patient is the node as doctor looks at it.
func (o *observation) patient(ctx context.Context) (doctor.Node, error) {
	live := &doctor.Live{Started: o.daemon.Started, KillMode: o.daemon.Unit.KillMode}
	var err error
	if o.Healthy {
		live.Images, err = o.imageNames(ctx)
	}
	return doctor.Node{Files: doctor.Folder{Path: "/", At: "/"}, Release: o.Release, ConfigFile: o.ConfigFile, Live: live}, err
}

// mendable are the fixes of a node, but for the rules that are left out.
func mendable(n doctor.Node, r doctor.Report, m *protocol.Mend) []doctor.Fix {
	if m != nil {
		r.Findings = slices.DeleteFunc(slices.Clone(r.Findings), func(f doctor.Finding) bool {
			return slices.ContainsFunc(m.Ignore, func(id string) bool { return strings.EqualFold(id, f.Rule) })
		})
	}
	return doctor.Fixes(n, r)
}

// mendedFile is a fix with what the plan has to know of the file.
func mendedFile(f doctor.Fix) plan.Mended {
	m := plan.Mended{Path: f.File, Before: f.Before, After: f.After, Mode: 0o644, Rules: f.Rules, Restart: f.Restart}
	if dir := filepath.Dir(f.File); !f.Restart {
		if st, err := os.Lstat(dir); err == nil && !st.IsDir() {
			m.Odd = dir + " is a " + kindOf(st.Mode())
		}
	}
	st, err := os.Lstat(f.File)
	switch {
	case err != nil && f.Create:
	case err != nil:
		m.Odd = "it cannot be looked at: " + oneLine(err)
	case !st.Mode().IsRegular():
		m.Odd = "it is a " + kindOf(st.Mode())
	default:
		m.Mode = uint32(st.Mode().Perm())
	}
	return m
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsDir():
		return "folder"
	}
	return "thing of another kind"
}

// asShown makes sure that every item is what the plan showed, and lets files keep
// their owners.
func asShown(items []Item, changes []plan.Change, key []byte) error {
	for i := range items {
		item := &items[i]
		c := slices.IndexFunc(changes, func(c plan.Change) bool { return filepath.Clean(c.Path) == filepath.Clean(item.Target) })
		switch {
		case c < 0 && item.Before.Kind == KindAbsent: // a host directory that is made
		case c >= 0 && changes[c].Action == plan.Create && item.Before.Kind == KindAbsent:
		case c >= 0 && changes[c].Action == plan.Update && item.Before.Kind == KindFile && plan.Sum(key, item.Before.Data) == changes[c].Before:
			item.After.UID, item.After.GID = item.Before.UID, item.Before.GID
		default:
			return &protocol.Error{Kind: protocol.ErrStale, Text: item.Target + " was changed by somebody else a moment ago", Hint: "look at the node again"}
		}
	}
	return nil
}
