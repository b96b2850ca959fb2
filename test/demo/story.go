package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/pullway/pullway/test/lab"
)

const (
	account  = "robot$nodes"
	password = "robot-secret-1"
	wrong    = "an-old-password"
	image    = "192.168.21.9/library/test-image:latest"
	nodeArgs = "-i lab/inventory/hosts.yaml"
)

// story is the demo's course: the steps share the lab and what was seen before.
type story struct {
	*teller
	lab  *lab.Lab
	work string
	bin  string

	// fresh is how the nodes were at first, wired how they are after apply.
	fresh, wired sight
}

// tell goes through the steps and stops at the first that does not show what it
// promises.
func (s *story) tell(ctx context.Context) error {
	s.say("Every command below runs in the lab's network, in a folder of its own.")
	s.say("HARBOR_PASSWORD is in the environment; it must not appear anywhere below.")
	if _, err := s.sh(ctx, 0, "lab status | grep -e ^NODE -e ^node[0-9] -e '^REGISTRY ' -e '^harbor '"); err != nil {
		return err
	}
	var err error
	if s.fresh, err = look(ctx, s.lab); err != nil {
		return err
	}
	for i, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"No node can pull from the registry", s.cannotPull},
		{"A first specification", s.initialise},
		{"The plan: what would change, and why; nothing is touched", s.plan},
		{"Apply: one canary, then waves, each node proven by a real pull", s.apply},
		{"The same pulls work", s.canPull},
		{"A second apply changes nothing and restarts nothing", s.applyAgain},
		{"A wrong password: the canary finds out before anything changes", s.wrongPassword},
		{"What is where, and what was done", s.statusAndHistory},
		{"Rollback: every byte as before", s.rollback},
	} {
		s.step(i+1, step.title)
		if err := step.do(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	return s.keptSecret()
}

// cannotPull: containerd speaks HTTPS to a registry that it was told nothing of.
func (s *story) cannotPull(ctx context.Context) error {
	for _, n := range s.lab.Nodes() {
		printed, err := s.sh(ctx, 1, "lab pull "+n.Name+" "+image)
		if err != nil {
			return err
		}
		if err := holds(printed, `"https://192.168.21.9/v2/`, 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) initialise(ctx context.Context) error {
	_, err := s.sh(ctx, 0, "pullway init --registry http://192.168.21.9 --username '"+account+"' --image "+image+" > pullway.yaml")
	if err != nil {
		return err
	}
	printed, err := s.sh(ctx, 0, "cat pullway.yaml")
	return errors.Join(err, holds(printed, "env: HARBOR_PASSWORD", 1))
}

func (s *story) plan(ctx context.Context) error {
	printed, err := s.sh(ctx, 0, "pullway plan -f pullway.yaml "+nodeArgs)
	if err != nil {
		return err
	}
	now, err := look(ctx, s.lab)
	if err := errors.Join(err, holds(printed, "Plan: 3 nodes to change", 1), sameFiles(s.fresh, now), sameProcesses(s.fresh, now)); err != nil {
		return err
	}
	s.say("Checked: /etc and the containerd process of every node are as before.")
	return nil
}

func (s *story) apply(ctx context.Context) error {
	printed, err := s.sh(ctx, 0, "pullway apply --yes -f pullway.yaml "+nodeArgs)
	if err != nil {
		return err
	}
	s.wired, err = look(ctx, s.lab)
	if err := errors.Join(err, holds(printed, "changed and proven", 3), holds(printed, "pulled "+image+" from http://192.168.21.9", 3),
		holds(printed, "Done: 3 nodes changed", 1)); err != nil {
		return err
	}
	for _, n := range s.lab.Nodes() {
		count, err := answered(s.lab.Registry(lab.Harbor), n, account)
		if err != nil {
			return err
		}
		if count == 0 {
			return fmt.Errorf("the registry's log has no answer to %s", n.Name)
		}
		if s.wired.pids[n.Name] == s.fresh.pids[n.Name] {
			return fmt.Errorf("%s: containerd was not restarted, and the plan said it would be", n.Name)
		}
		s.say("Checked: the registry's own log has %d answers to containerd on %s as %s.", count, n.Name, account)
	}
	return nil
}

func (s *story) canPull(ctx context.Context) error {
	for _, n := range s.lab.Nodes() {
		printed, err := s.sh(ctx, 0, "lab pull "+n.Name+" "+image)
		if err := errors.Join(err, holds(printed, "sha256:", 1)); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) applyAgain(ctx context.Context) error {
	printed, err := s.sh(ctx, 0, "pullway apply --yes -f pullway.yaml "+nodeArgs)
	if err != nil {
		return err
	}
	now, err := look(ctx, s.lab)
	if err := errors.Join(err, holds(printed, "Nothing to do: every node is as desired", 1), sameFiles(s.wired, now), sameProcesses(s.wired, now)); err != nil {
		return err
	}
	s.say("Checked: /etc and the containerd process of every node are as before.")
	return nil
}

func (s *story) wrongPassword(ctx context.Context) error {
	s.say("Asked from here first, the registry refuses it, and no node is touched:")
	_, err := s.sh(ctx, 1, "HARBOR_PASSWORD="+wrong+" pullway apply --yes -f pullway.yaml "+nodeArgs)
	if err != nil {
		return err
	}
	s.say("Without that question the canary finds out:")
	printed, err := s.sh(ctx, 1, "HARBOR_PASSWORD="+wrong+" pullway apply --yes --no-preflight -f pullway.yaml "+nodeArgs)
	if err != nil {
		return err
	}
	now, err := look(ctx, s.lab)
	if err := errors.Join(err, holds(printed, "the proof failed, not changed", 1), holds(printed, "not touched", 2), holds(printed, "nothing was changed", 1),
		sameFiles(s.wired, now), sameProcesses(s.wired, now)); err != nil {
		return err
	}
	s.say("Checked: /etc and the containerd process of every node are as before, and the pulls still work:")
	return s.canPull(ctx)
}

func (s *story) statusAndHistory(ctx context.Context) error {
	printed, err := s.sh(ctx, 0, "pullway status "+nodeArgs)
	if err := errors.Join(err, holds(printed, "healthy", 3), holds(printed, "as-written /etc/containerd/certs.d", 3)); err != nil {
		return err
	}
	printed, err = s.sh(ctx, 0, "pullway history")
	return errors.Join(err, holds(printed, "  done ", 1), holds(printed, "  nothing-to-do ", 1), holds(printed, "  failed-unchanged ", 1))
}

func (s *story) rollback(ctx context.Context) error {
	printed, err := s.sh(ctx, 0, "pullway rollback last --yes "+nodeArgs)
	if err != nil {
		return err
	}
	now, err := look(ctx, s.lab)
	if err := errors.Join(err, holds(printed, "on 3 nodes", 1)); err != nil {
		return err
	}
	s.say("SHA-256 over all of /etc with modes, owners and links, as the demo itself reads it:")
	for _, n := range s.lab.Nodes() {
		s.say("%s  %4d entries  before %.16s…  applied %.16s…  now %.16s…", n.Name, len(now.etc[n.Name]),
			digest(s.fresh.etc[n.Name]), digest(s.wired.etc[n.Name]), digest(now.etc[n.Name]))
		if digest(s.fresh.etc[n.Name]) == digest(s.wired.etc[n.Name]) {
			return fmt.Errorf("%s: apply had changed nothing", n.Name)
		}
	}
	if err := sameFiles(s.fresh, now); err != nil {
		return err
	}
	s.say("Checked: now is before, on every node. And so are the pulls:")
	return s.cannotPull(ctx)
}

// keptSecret fails when a password was shown, as it is or encoded; the wrong one
// may stand in the one place where the demo itself sets it.
func (s *story) keptSecret() error {
	told := strings.ReplaceAll(s.told.String(), "$ HARBOR_PASSWORD="+wrong, "")
	for _, secret := range []string{password, wrong} {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(account + ":" + secret))} {
			if strings.Contains(told, form) {
				return errors.New("a password was shown")
			}
		}
	}
	s.say("Checked: no password was shown in any of this.")
	return nil
}
