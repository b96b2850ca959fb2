package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/failpoint"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
)

var release242 = containerd.Release{Major: 2, Minor: 4, Patch: 2}

// rendered are the files of a registry's host directory below hosts.
func rendered(t testing.TB, hosts string, r config.Registry) []hoststoml.Rendered {
	t.Helper()
	files, err := hoststoml.Render(r, hoststoml.Options{Release: release242, Dir: filepath.Join(hosts, r.Host), HeaderAuth: r.Auth != nil})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func tlsRegistry(host, url, ca, password string) config.Registry {
	return config.Registry{Host: host, Fallback: "none", Auth: &config.Auth{Username: "robot", Password: secret.New(password)},
		Endpoints: []config.Endpoint{{URL: url, Capabilities: []string{"pull", "resolve"}, CA: []byte(ca), Cert: []byte("CERT " + ca), Key: secret.New("KEY " + ca)}}}
}

// calmBench is a bench whose host directories are real ones, and the changes
// from one state of them to another: a registry that gets another endpoint,
// authority, key and password, one that comes and one that goes.
func calmBench(t testing.TB) (*bench, []plan.Change) {
	b := newBench(t)
	if err := os.RemoveAll(b.hosts()); err != nil {
		t.Fatal(err)
	}
	old := rendered(t, b.hosts(), tlsRegistry("harbor.example.com", "https://192.168.21.9", "OLD", "old"))
	gone := rendered(t, b.hosts(), tlsRegistry("gone.example.com", "https://gone.example.com", "GONE", "gone"))
	for host, files := range map[string][]hoststoml.Rendered{"harbor.example.com": old, "gone.example.com": gone} {
		for _, f := range files {
			b.write("certs.d/"+host+"/"+f.Name, string(f.Data), os.FileMode(f.Mode))
		}
	}
	b.old = b.tree()
	var changes, late []plan.Change
	at := func(host, name string) string { return filepath.Join(b.hosts(), host, name) }
	for _, f := range rendered(t, b.hosts(), tlsRegistry("harbor.example.com", "https://192.168.21.8", "NEW", "new")) {
		changes = append(changes, plan.Change{Path: at("harbor.example.com", f.Name), Action: plan.Update, Mode: f.Mode, Content: f.Data})
	}
	for _, f := range rendered(t, b.hosts(), tlsRegistry("new.example.com", "https://new.example.com", "NEW2", "new2")) {
		changes = append(changes, plan.Change{Path: at("new.example.com", f.Name), Action: plan.Create, Mode: f.Mode, Content: f.Data})
	}
	for _, f := range old[:len(old)-1] {
		late = append(late, plan.Change{Path: at("harbor.example.com", f.Name), Action: plan.Delete})
	}
	for _, f := range gone {
		late = append(late, plan.Change{Path: at("gone.example.com", f.Name), Action: plan.Delete})
	}
	return b, append(changes, late...)
}

// whole says what is wrong with a hosts directory as a pull would find it now: a
// file that is not read whole, or a certificate that is named and not there.
func (b *bench) whole() string {
	dirs, err := os.ReadDir(b.hosts())
	if err != nil {
		return err.Error()
	}
	for _, d := range dirs {
		if strings.HasPrefix(d.Name(), stagePrefix) {
			continue
		}
		path := filepath.Join(b.hosts(), d.Name())
		data, err := os.ReadFile(filepath.Join(path, hoststoml.FileName))
		if err != nil {
			return err.Error()
		}
		doc, problems := hoststoml.Parse(data, release242)
		for _, p := range problems {
			return fmt.Sprintf("%s: %s", path, p.Text)
		}
		for _, h := range append(slices.Clone(doc.Hosts), doc.Root) {
			names := slices.Clone(h.CA)
			for _, pair := range h.Client {
				names = append(names, pair[:]...)
			}
			for _, name := range names {
				if _, err := os.ReadFile(name); err != nil {
					return fmt.Sprintf("%s names a file that is not there: %v", path, err)
				}
			}
		}
	}
	return ""
}

// calmTransaction is one that makes the changes without a restart. Each of its
// operations on the disk is preceded by watch.
func (b *bench) calmTransaction(changes []plan.Change, id string, watch func(op, path string) error) *transaction {
	b.t.Helper()
	tr := b.transaction(func(_ failpoint.When, op, path string) error {
		if watch == nil {
			return nil
		}
		return watch(op, path)
	})
	r := tr.record
	r.ID, r.Restart = id, false
	var err error
	if r.Items, r.MadeDirs, err = itemsOf(changes, b.hosts(), r.ID); err != nil {
		b.t.Fatal(err)
	}
	p := &prover{disk: b.store.disk, cri: b.cri, release: release242, hostsDir: b.hosts(),
		desired: config.Desired{VerifyImages: []string{"harbor.example.com/library/test-image:latest"},
			Registries: []config.Registry{tlsRegistry("harbor.example.com", "https://192.168.21.8", "NEW", "new")}},
		header: map[string]bool{"harbor.example.com": true}, provable: func(config.Registry) bool { return true }, tell: tr.tell}
	tr.probe, tr.prove, tr.dropPulled = p.probe, p.prove, p.dropPulled
	return tr
}

func (b *bench) without(name string) map[string]string {
	all := b.tree()
	for p := range all {
		if strings.HasPrefix(p, "certs.d/"+name) || strings.Contains(p, stagePrefix) {
			delete(all, p)
		}
	}
	return all
}

// At every moment of a change, of its undo, of its rollback and of the recovery
// from a crash, each host directory is a whole configuration.
func TestEveryMomentIsAWholeConfiguration(t *testing.T) {
	moments := 0
	look := func(b *bench) func(op, path string) error {
		return func(op, path string) error {
			moments++
			if wrong := b.whole(); wrong != "" {
				b.t.Fatalf("before %s %s: %s", op, path, wrong)
			}
			return nil
		}
	}
	t.Run("applied and rolled back", func(t *testing.T) {
		b, changes := calmBench(t)
		tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", look(b))
		if _, err := tr.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if wrong := b.whole(); wrong != "" || b.isOld() == "" {
			t.Fatal("not applied", wrong)
		}
		if err := b.store.loadBackup(tr.record); err != nil {
			t.Fatal(err)
		}
		back := b.calmTransaction(nil, "20260101T000001.000Z-0001", look(b))
		back.probe, back.prove = nil, nil
		if err := reverseItems(back.record, tr.record, b.hosts()); err != nil {
			t.Fatal(err)
		}
		if _, err := back.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := b.isOld(); d != "" {
			t.Error(d)
		}
	})
	t.Run("undone by itself", func(t *testing.T) {
		b, changes := calmBench(t)
		tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", look(b))
		tr.confirm = func(context.Context) error { return errNotConfirmed }
		if res, err := tr.run(t.Context()); err == nil || res.Outcome != protocol.OutcomeRestored {
			t.Fatalf("run = %+v, %v", res, err)
		}
		if d := b.isOld(); d != "" {
			t.Error(d)
		}
	})
	t.Run("killed and recovered", func(t *testing.T) {
		// TestTransactionSurvivesEveryCrash takes every operation; here each is dear.
		for i := 1; ; i += 3 {
			b, changes := calmBench(t)
			n, killed := 0, false
			_, _ = b.calmTransaction(changes, "20260101T000000.000Z-0001", func(string, string) error {
				if n++; n >= i {
					killed = true
					return errors.New("killed")
				}
				return nil
			}).run(t.Context())
			if !killed {
				return
			}
			b.store.disk.hook = nil
			left, err := b.store.journal()
			if err != nil {
				t.Fatal(err)
			}
			if left == nil {
				continue
			}
			tr := b.calmTransaction(nil, left.ID, look(b))
			tr.record = left
			if err := recoverFrom(t.Context(), tr, false); err != nil {
				t.Fatal(err)
			}
			if wrong := b.whole(); wrong != "" {
				t.Fatalf("after a kill at %d: %s", i, wrong)
			}
			if exists(left.Probe) {
				t.Fatalf("after a kill at %d the probe's directory is left", i)
			}
		}
	})
	if moments < 200 {
		t.Errorf("only %d moments were looked at", moments)
	}
}

// A hosts.toml that is written in place, or after its certificate went, would be
// seen: the look at every moment is not blind.
func TestTheLookAtEveryMomentSeesWhatIsNotWhole(t *testing.T) {
	b, _ := calmBench(t)
	if wrong := b.whole(); wrong != "" {
		t.Fatal(wrong)
	}
	toml := filepath.Join(b.hosts(), "harbor.example.com", hoststoml.FileName)
	data, err := os.ReadFile(toml)
	if err != nil {
		t.Fatal(err)
	}
	for name, half := range map[string][]byte{"cut off": data[:len(data)/2], "empty": nil,
		"names what is not there": []byte(strings.Replace(string(data), "/ca-", "/ca-x", 1))} {
		if err := os.WriteFile(toml, half, 0o600); err != nil {
			t.Fatal(err)
		}
		if b.whole() == "" {
			t.Errorf("%s: not seen", name)
		}
	}
}

// New endpoints are proven while the old state is whole, what is named no more is
// there until the change is confirmed, and goes then.
func TestTheNewIsProvenBeforeTheOldLeaves(t *testing.T) {
	b, changes := calmBench(t)
	tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", nil)
	var told []string
	tr.tell = func(s protocol.Step, _ string) { told = append(told, string(s)) }
	var pulls []string
	b.cri.onPull = func(ref string) error {
		pulls = append(pulls, ref)
		if strings.HasPrefix(ref, ProbeHost) {
			if d := cmp.Diff(b.old, b.without(ProbeHost)); d != "" {
				t.Errorf("at the first pull something was changed: %s", d)
			}
		}
		return nil
	}
	tr.confirm = func(context.Context) error {
		for path := range b.old {
			if _, there := b.tree()[path]; !there {
				t.Errorf("%s went before the change was confirmed", path)
			}
		}
		return nil
	}
	res, err := tr.run(t.Context())
	if err != nil || len(res.Proofs) != 1 || res.Proofs[0].ByName != "pulled" {
		t.Fatalf("run = %+v, %v", res, err)
	}
	want := []string{"stage", "check", "backup", "arm", "probe", "swap", "prove", "proven", "remove", "commit"}
	if d := cmp.Diff(want, told); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{ProbeHost + "/library/test-image:latest", "harbor.example.com/library/test-image:latest"}, pulls); d != "" {
		t.Error(d)
	}
	if exists(filepath.Join(b.hosts(), "gone.example.com")) {
		t.Error("the directory of the registry that went is still there")
	}
	// The first pull created the image's id, which can go only when no name is left.
	slices.Reverse(pulls)
	if d := cmp.Diff(pulls, b.cri.dropped); d != "" {
		t.Errorf("dropped: %s", d)
	}
}
