package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pullway/pullway/api/v1alpha1"
)

func (c *checker) rollout(r v1alpha1.Rollout) {
	const at = "spec.rollout"
	if r.Canary != nil && *r.Canary < 0 {
		c.problem(at+".canary", fmt.Sprintf("%d is less than 0", *r.Canary), "0 means no canary")
	}
	if r.MaxUnavailable != "" {
		if _, err := ParseQuota(string(r.MaxUnavailable)); err != nil {
			c.problem(at+".maxUnavailable", err.Error(), "")
		}
	}
	if r.FailureBudget < 0 {
		c.problem(at+".failureBudget", fmt.Sprintf("%d is less than 0", r.FailureBudget), "0 stops at the first failed node")
	}
	if r.OnFailure != "" {
		c.fault(at+".onFailure", oneOf(r.OnFailure, v1alpha1.RollbackNode, v1alpha1.RollbackWave, v1alpha1.RollbackRun, v1alpha1.StopOnly))
	}
	c.duration(at+".confirmWithin", r.ConfirmWithin, MinConfirm, MaxConfirm)
	if r.ControlPlane != "" {
		c.fault(at+".controlPlane", oneOf(r.ControlPlane, v1alpha1.ControlPlaneLast, v1alpha1.ControlPlaneFirst, v1alpha1.ControlPlaneWithWorkers))
	}
	if !c.tooMany(at+".groups", len(r.Groups), maxGroups) {
		c.groups(at+".groups", r.Groups)
	}
}

// groupForm is a name that can stand in a --limit too, and takes in every name
// that Ansible accepts without a warning, and dashes, dots and slashes. Its length
// is looked at apart: so many of a large class cost megabytes at each start.
var groupForm = regexp.MustCompile(`^[\p{L}\p{N}_][\p{L}\p{N}_./-]*$`)

const maxGroupName = 253

func (c *checker) groups(at string, groups []string) {
	for i, g := range groups {
		path := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case g == "all" || g == "ungrouped":
			c.problem(path, show(g)+" is in every inventory and parts nothing", "name the groups that are to be finished one after the other; nodes in none of them come last by themselves")
		case utf8.RuneCountInString(g) > maxGroupName || !groupForm.MatchString(g):
			c.problem(path, show(g)+" is no name of an inventory group", "letters, digits, _ and -")
		case slices.Contains(groups[:i], g):
			c.problem(path, show(g)+" stands there twice", "")
		}
	}
}

func (c *checker) verify(s v1alpha1.Spec) {
	const at = "spec.verify.images"
	var hosts, refs []string
	named := map[string]bool{}
	for _, r := range s.Registries {
		name, _ := canonicalHost(r.Host)
		named[name] = true
	}
	rest := false // an image of a registry that only "*" serves
	for i, ref := range s.Verify.Images {
		path := fmt.Sprintf("%s[%d]", at, i)
		im, err := ParseImage(ref)
		switch {
		case err != nil:
			c.problem(path, err.Error(), "")
			continue
		case !named[im.Host] && !named[AnyHost]:
			hint := "add the registry, or take an image of " + strings.Join(sortedKeys(named), ", ")
			c.problem(path, fmt.Sprintf("%s is of %s, which is no registry of this spec", show(ref), im.Host), hint)
		case slices.Contains(refs, im.String()):
			c.warn(path, show(ref)+" stands there twice", "")
		}
		rest = rest || !named[im.Host]
		hosts, refs = append(hosts, im.Host), append(refs, im.String())
	}
	for i, r := range s.Registries {
		path := fmt.Sprintf("spec.registries[%d].host", i)
		name, _ := canonicalHost(r.Host)
		proven := slices.Contains(hosts, name) || name == AnyHost && rest
		if !proven && name != "" && !c.failed(path) {
			c.warn(path, fmt.Sprintf("no image of %s is in spec.verify.images, so nothing proves that it works", show(name)), "add one small image, best a private one")
		}
	}
}
