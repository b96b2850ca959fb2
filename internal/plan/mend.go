package plan

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// Mended is one file as pullway doctor mends it.
type Mended struct {
	Path string
	// Before is nil for a file that is made.
	Before, After []byte
	// Mode of the file, which stays.
	Mode uint32
	// Rules that it mends.
	Rules []string
	// Restart tells that containerd reads the file only at its start.
	Restart bool
	// Odd says why the file is not written: what it is beside a regular file in a
	// folder of its own. Empty when it is one.
	Odd string
}

// ForFix is the plan that mends those files and touches nothing else. Whose they are
// does not matter; who writes them again is told.
func ForFix(o Observed, files []Mended, opt Options) Made {
	b := &builder{o: o, opt: opt, manifest: o.Manifest, states: FileStates(o, opt.Key)}
	b.manifest.Files, b.manifest.Config = slices.Clone(o.Manifest.Files), nil
	b.node.Facts = FactsOf(o)
	if !o.Distribution.Editable && len(files) > 0 {
		b.problem("distribution", false, o.Distribution.Hint, "containerd of this node belongs to %s, which writes its files itself", o.Distribution.Name)
	}
	var config []configtoml.FileChange
	for _, f := range files {
		b.mend(f)
		if f.Restart {
			config = append(config, configtoml.FileChange{Path: f.Path, Before: f.Before, After: f.After})
		}
	}
	b.mendRestart(config)
	if len(files) > 0 {
		b.exposed()
	}
	b.rememberConfig()
	b.node.Fingerprint = mendFingerprint(o, b.node, opt)
	if opt.Force {
		b.node.Problems = b.forced(b.node.Problems)
	}
	return Made{Node: b.node, Manifest: b.manifest}
}

// mend adds the change of one file.
func (b *builder) mend(f Mended) {
	reason := "mends " + strings.Join(f.Rules, ", ")
	if f.Odd != "" {
		b.problem("not-a-file", false, "mend it by hand, or leave the rule out by --ignore "+strings.Join(f.Rules, ","), "%s: %s", f.Path, f.Odd)
	}
	c := Change{Path: f.Path, Action: Update, Mode: f.Mode, Reason: reason, Effect: "next pull", Content: f.After,
		Before: b.keyed(f.Before), After: b.keyed(f.After), Diff: FileDiff(f.Path, f.Before, f.After), Drift: b.driftOf(f.Path)}
	if f.Before == nil {
		c.Action, c.Before = Create, ""
		b.manifest.Files = append(b.manifest.Files, Owned{Path: f.Path, SHA256: sha(f.After), Mode: f.Mode, Migrated: true})
	}
	if f.Restart {
		c.Effect, b.configChanged = "restart", true
	}
	b.node.Changes = append(b.node.Changes, c)
	// What was ours and as we wrote it stays so.
	if i := slices.IndexFunc(b.manifest.Files, func(o Owned) bool { return o.Path == f.Path }); i >= 0 && b.driftOf(f.Path) == "" {
		b.manifest.Files[i].SHA256 = sha(f.After)
	}
	beside := beside(b.o.Hosts)
	if f.Restart {
		beside = nil
	}
	if w := WhoWrote(f.Path, f.Before, beside); f.Before != nil && w.Again != "" {
		b.warn("written-again", "mend it in the settings of "+w.String()+", too", "%s was written by %s: %s", f.Path, w, w.Again)
	}
}

// mendRestart restarts containerd for files that it reads only at its start, and for
// no other reason.
func (b *builder) mendRestart(changes []configtoml.FileChange) {
	if !b.configChanged {
		b.node.Restart.Reasons = []string{"only host directories change, and containerd reads them at each pull"}
		if len(b.node.Changes) == 0 {
			b.node.Restart.Reasons = []string{"there is nothing to mend"}
		}
		return
	}
	b.node.Restart.Needed = true
	for _, c := range b.node.Changes {
		if c.Effect == "restart" {
			b.node.Restart.Reasons = append(b.node.Restart.Reasons, c.Path+": "+c.Reason)
		}
	}
	b.node.Restart.Reasons = append(b.node.Restart.Reasons, b.o.notLoadedReasons()...)
	after, err := configtoml.Overlay(b.o.Tree, changes)
	if err != nil {
		b.problem("config-edit", false, "", "%s", err)
		return
	}
	for _, p := range after.Problems() {
		if p.Fatal {
			b.problem(p.ID, false, p.Hint, "%s%s", at(p.Pos.File, p.Pos.Line, p.Pos.Column), p.Text)
		}
	}
	b.judgeRestart()
}

// mendFingerprint covers what was seen, and what would be changed: what is shown is
// what is done.
func mendFingerprint(o Observed, n Node, opt Options) string {
	m := hmac.New(sha256.New, opt.Key)
	enc := json.NewEncoder(m)
	_ = enc.Encode("doctor " + fingerprint(o, config.Desired{}, opt)) // as in fingerprint
	for _, c := range n.Changes {
		_ = enc.Encode([]any{filepath.Clean(c.Path), c.Action, c.Mode, c.Before, c.After, c.Effect})
	}
	return hex.EncodeToString(m.Sum(nil))[:32]
}

// Sum is the keyed hash of a file that Change.Before and Change.After have.
func Sum(key, data []byte) string { return keyedSum(key, data) }
