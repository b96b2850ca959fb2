// Package doctor is the catalogue of known ways to get containerd's registry
// configuration wrong, and what finds them in the files of a node: one file a
// rule group, one page a rule (docs/rules).
//
// What a file means is internal/containerd's to say: its parsers tell most of the
// problems themselves, by the rules' names. This package adds what takes more than
// one file to see, says what becomes of a finding with newer releases, and reads
// error messages. It reaches no network and changes nothing.
package doctor

import (
	"fmt"
	"strings"
)

// Severity says how bad it is. The words are stable.
type Severity string

// The severities, worst first.
const (
	// S1: containerd does not start.
	S1 Severity = "S1"
	// S2: containerd runs, but without CRI: kubelet cannot start a pod.
	S2 Severity = "S2"
	// S3: something is ignored in silence, and pulls go elsewhere than they should.
	S3 Severity = "S3"
	// S4: pulls of some images fail, or can fail.
	S4 Severity = "S4"
	// Advice: it works today.
	Advice Severity = "advice"
)

// Words says what a severity means.
func (s Severity) Words() string {
	switch s {
	case S1:
		return "containerd does not start"
	case S2:
		return "containerd runs without CRI"
	case S3:
		return "ignored in silence"
	case S4:
		return "pulls fail"
	}
	return "works today"
}

// Problem reports whether a finding of this severity makes doctor exit with 3.
func (s Severity) Problem() bool { return s == S1 || s == S2 || s == S3 }

// Told says from what doctor can tell a rule.
type Told string

// The ways to tell.
const (
	FromFiles   Told = "files"   // from the files of a node
	FromNode    Told = "node"    // on a running node only
	FromMessage Told = "message" // from an error message only
)

// Rule is one known way to get it wrong.
type Rule struct {
	// ID such as CFG015. It never changes its meaning.
	ID string
	// Title is what is wrong, in a few words.
	Title string
	// Severity of most of its findings; a single one may have another.
	Severity Severity
	Told     Told
	// Errors are texts that containerd, kubelet or crictl say because of it, as
	// people paste them; "…" stands for anything. Empty when nothing is said.
	Errors []string
	// Cause is why, and what containerd makes of it; Fix what to do.
	Cause, Fix string
	// Releases on which it holds, in words.
	Releases string
	// Links are public threads, as "containerd#7844", or addresses.
	Links []string
}

// repositories are the short names that Links uses.
var repositories = map[string]string{
	"containerd":               "containerd/containerd",
	"cri":                      "containerd/cri",
	"kubernetes":               "kubernetes/kubernetes",
	"kubespray":                "kubernetes-sigs/kubespray",
	"kind":                     "kubernetes-sigs/kind",
	"cri-tools":                "kubernetes-sigs/cri-tools",
	"image-builder":            "kubernetes-sigs/image-builder",
	"k3s":                      "k3s-io/k3s",
	"rke2":                     "rancher/rke2",
	"spegel":                   "spegel-org/spegel",
	"eks-ami":                  "awslabs/amazon-eks-ami",
	"eks-anywhere":             "aws/eks-anywhere",
	"caren":                    "nutanix-cloud-native/cluster-api-runtime-extensions-nutanix",
	"nvidia-container-toolkit": "NVIDIA/nvidia-container-toolkit",
	"gpu-operator":             "NVIDIA/gpu-operator",
	"microk8s":                 "canonical/microk8s",
	"talos":                    "siderolabs/talos",
	"kurl":                     "replicatedhq/kURL",
	"harbor":                   "goharbor/harbor",
	"sysbox":                   "nestybox/sysbox",
	"k8s-operator":             "canonical/k8s-operator",
	"cozystack":                "cozystack/cozystack",
	"ovn-kubernetes":           "ovn-kubernetes/ovn-kubernetes",
	"peerd":                    "Azure/peerd",
	"kops":                     "kubernetes/kops",
	"kubeclipper":              "kubeclipper/kubeclipper",
	"metalk8s":                 "scality/metalk8s",
	"moby":                     "moby/moby",
	"zarf":                     "zarf-dev/zarf",
	"dragonfly":                "dragonflyoss/dragonfly",
	"cks":                      "killer-sh/cks-course-environment",
}

// URL is the address of a link of a rule.
func URL(link string) string {
	name, number, ok := strings.Cut(link, "#")
	if repository := repositories[name]; ok && repository != "" {
		return "https://github.com/" + repository + "/issues/" + number
	}
	return link
}

// Catalogue is every rule, in the order of the groups and of the numbers.
func Catalogue() []Rule {
	var all []Rule
	for _, group := range [][]Rule{cfgStart, cfgIgnored, hstRead, hstMeant, dirRules, autRules, runRules} {
		all = append(all, group...)
	}
	return all
}

var byID = func() map[string]*Rule {
	m := map[string]*Rule{}
	all := Catalogue()
	for i := range all {
		m[all[i].ID] = &all[i]
	}
	return m
}()

// Find gives the rule of that name, in any case.
func Find(id string) (Rule, error) {
	if r := byID[strings.ToUpper(strings.TrimSpace(id))]; r != nil {
		return *r, nil
	}
	return Rule{}, fmt.Errorf("there is no rule %q", id)
}
