package kubespray

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/spelling"
)

// real are all variables about containerd's registries that some release reads.
var real = []string{VarRegistries, VarInsecure, VarMirrors, VarAuth, VarUseConfigPath}

// besides are real variables that decide what becomes of those.
var besides = []string{VarExtraArgs, VarVersion, VarManager, VarRuncRuntime, VarConfigDir}

// invented are names that guides give and that no release of Kubespray ever read.
// Each was looked for in every tag and release branch.
var invented = map[string]string{
	"containerd_registry_mirrors": VarMirrors,
	"containerd_registry_auths":   VarAuth,
}

// otherEngines are settings of engines that containerd does not read.
var otherEngines = map[string]string{
	"docker_insecure_registries": "docker",
	"docker_registry_mirrors":    "docker",
	"crio_insecure_registries":   "CRI-O",
	"crio_registries":            "CRI-O",
	"crio_registries_mirrors":    "CRI-O",
	"crio_registry_auth":         "CRI-O",
}

// looksLike matches names that seem to set containerd's registries.
var looksLike = regexp.MustCompile(`^containerd?_?.*(registr|mirror|insecure|auth|config_path|hosts?_dir|certs?_d)`)

// Concerns reports whether a variable has to do with containerd's registries,
// rightly or by a wrong name.
func Concerns(name string) bool {
	if slices.Contains(real, name) || slices.Contains(besides, name) || otherEngines[name] != "" || invented[name] != "" {
		return true
	}
	lower := strings.ToLower(name)
	if looksLike.MatchString(lower) {
		return true
	}
	near, distance := Nearest(lower)
	return near != "" && distance <= 2
}

// maxName is the longest name that is compared with the real ones.
const maxName = 64

// Known reports whether some release of Kubespray reads a variable of that name.
func Known(name string) bool { return slices.Contains(real, name) || slices.Contains(besides, name) }

// Nearest is the real variable whose name is closest, and how many letters differ.
func Nearest(name string) (string, int) {
	if len(name) > maxName {
		return "", len(name)
	}
	if right := invented[name]; right != "" {
		return right, spelling.Distance(name, right)
	}
	best, least := "", 1<<30
	for _, r := range real {
		if d := spelling.Distance(name, r); d < least {
			best, least = r, d
		}
	}
	return best, least
}
