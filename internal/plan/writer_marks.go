package plan

import (
	"path"
	"slices"
	"strings"
)

// backupName is the folder of the hosts directory into which Spegel moves what it
// finds there: pkg/oci/containerd.go, backupDir (v0.0.12 to v0.7.4).
const backupName = "_backup"

const spegelAgain = "Spegel clears the hosts directory and writes it anew whenever its pod starts"

// mark is one sign of a writer. hosts marks are looked for in a hosts.toml, the
// others in the files of the configuration.
type mark struct {
	writer, evidence, again string
	hosts                   bool
	fits                    func(sight) bool
}

// writerMarks are looked for in this order: what a writer says of itself first,
// then values that nobody else writes, then shapes. Each was read in the
// writer's own source, which is named with its releases.
//
// Without a mark, as far as their sources show: minikube and GKE (a plain
// config.toml), Talos (hosts.toml as a TOML library writes it; its nodes have no
// SSH either), Kubespray 2.23 (a hosts.toml of three keys).
var writerMarks = []mark{
	// k3s pkg/agent/templates (v1.24 and later): both files begin so. RKE2 uses the
	// same templates with its own name.
	{"k3s", "its first line", "k3s writes it anew at each start", true, generatedBy("k3s")},
	{"rke2", "its first line", "RKE2 writes it anew at each start", true, generatedBy("rke2")},
	{"k3s", "its first line", "k3s writes it anew at each start", false, generatedBy("k3s")},
	{"rke2", "its first line", "RKE2 writes it anew at each start", false, generatedBy("rke2")},
	// k0s pkg/component/worker/containerd, containerdTomlHeader: while this line is
	// there, k0s writes the file.
	{"k0s", "k0s_managed=true at its top", "", false, func(s sight) bool { return strings.Contains(s.top, "k0s_managed=true") }},
	// Ansible: the default ansible_managed string, and the default marker of
	// blockinfile, with which Kubespray 2.21 and 2.22 write hosts.toml
	// (roles/container-engine/containerd/tasks/main.yml).
	{"ansible", "an Ansible marker in its comments", "", true, ansible},
	{"ansible", "an Ansible marker in its comments", "", false, ansible},

	// Dragonfly client, dragonfly-client-init/src/container_runtime/containerd.rs
	// (v1.x): a header that only its proxy reads.
	{"dragonfly", "the header X-Dragonfly-Registry", "dfinit writes it anew whenever its pod starts", true, func(s sight) bool { return s.starts("X-Dragonfly-Registry = ") }},
	// Spegel pkg/oci/containerd.go, templateHosts (after v0.7.4 in
	// pkg/oci/containerd/mirror.go): literal strings without indentation;
	// dial_timeout since v0.3.0.
	{"spegel", "the shape of its template, with dial_timeout = '200ms'", spegelAgain, true, func(s sight) bool {
		return spegelHosts(s) && slices.Contains(s.lines, "dial_timeout = '200ms'")
	}},
	{"spegel", "the shape of its template, and its folder " + backupName + " beside it", spegelAgain, true, func(s sight) bool {
		return spegelHosts(s) && slices.Contains(s.beside, backupName)
	}},
	// Kubespray roles/container-engine/containerd/templates/hosts.toml.j2 (2.24 to 2.31).
	{"kubespray", "the shape of its hosts.toml template", "", true, kubesprayHosts},

	// NVIDIA Container Toolkit, cmd/nvidia-ctk/runtime/configure (1.18 and later)
	// writes conf.d/99-nvidia.toml and adds its folder to the imports of config.toml
	// (pkg/config/engine/containerd/config_drop_in.go, ensureImports).
	{"nvidia-container-toolkit", "its name", "the toolkit writes it anew whenever it is configured", false, func(s sight) bool { return s.base == nvidiaDropIn }},
	{"nvidia-container-toolkit", "it imports " + nvidiaDropIn, "the toolkit edits it whenever it is configured", false, func(s sight) bool {
		return s.starts("imports = ") && slices.ContainsFunc(s.beside, func(p string) bool { return path.Base(p) == nvidiaDropIn })
	}},
	// Kubespray templates/config-v1.toml.j2 (2.28 and later, containerd 1.x) begins
	// with this comment. config.toml.j2 (2.21 to 2.31) has these keys, and names the
	// base specification that the role writes beside it.
	{"kubespray", "the first line of its template for containerd 1.x", "", false, func(s sight) bool {
		return strings.HasPrefix(s.top, "# this is for containerd v1 for compatibility\n")
	}},
	{"kubespray", "the keys of its config.toml template", "", false, func(s sight) bool {
		return s.starts("oom_score = ", "max_container_log_line_size = ", "enable_unprivileged_ports = ", "enable_unprivileged_icmp = ") &&
			s.has(`/cri-base.json"`)
	}},
	// EKS: amazon-eks-ami nodeadm/internal/containerd/config.template.toml and
	// config2.template.toml (AL2023), with the specification of base_runtime_spec.go.
	{"nodeadm", "the base_runtime_spec that nodeadm writes", "nodeadm writes it anew at each boot", false, func(s sight) bool {
		return s.starts("base_runtime_spec = ") && s.has("/etc/containerd/base-runtime-spec.json")
	}},
	// AKS: AgentBaker, aks-node-controller/parser/templates/containerd_no_GPU.toml.gtpl.
	{"aks", "the header that AKS sends to registries", "", false, func(s sight) bool { return s.starts(`X-Meta-Source-Client = ["azure/aks"]`) }},
	// kind: images/base/files/etc/containerd/config.toml (v0.12 and later).
	{"kind", "a comment of kind's node image", "", false, func(s sight) bool {
		return s.has("# explicitly use default snapshotter so we can sed it in entrypoint")
	}},
	// Toolkits before 1.18 edit config.toml itself: a runtime named nvidia with
	// their binary (pkg/config/engine/containerd/config_v2.go, AddRuntime).
	{"nvidia-container-toolkit", "a runtime named nvidia with its binary", "the toolkit edits it whenever it is configured", false, func(s sight) bool {
		return s.has(".runtimes.nvidia.options]") && (s.has(`/nvidia-container-runtime"`) || s.has("/nvidia-container-runtime'"))
	}},
}

const nvidiaDropIn = "99-nvidia.toml"

func generatedBy(program string) func(sight) bool {
	return func(s sight) bool {
		return strings.Contains(s.top, "# file generated by "+program+". do not edit.")
	}
}

func ansible(s sight) bool {
	return strings.Contains(s.top, "ansible managed") || slices.ContainsFunc(s.lines, func(l string) bool {
		return strings.HasPrefix(l, "# BEGIN ANSIBLE MANAGED BLOCK")
	})
}

func spegelHosts(s sight) bool {
	at := func(start string) bool {
		return slices.ContainsFunc(s.lines, func(l string) bool { return strings.HasPrefix(l, start) })
	}
	return at("[host.'") && at("capabilities = ['pull'")
}

// kubesprayHosts: a server, then in each host table these three keys in this
// order, indented by two blanks and with both booleans written out.
func kubesprayHosts(s sight) bool {
	if len(s.lines) == 0 || !strings.HasPrefix(s.lines[0], `server = "`) {
		return false
	}
	tables := 0
	for i, line := range s.lines {
		if !strings.HasPrefix(line, `[host."`) {
			continue
		}
		tables++
		if len(s.lines) < i+4 || !strings.HasPrefix(s.lines[i+1], `  capabilities = ["`) ||
			!writtenOut(s.lines[i+2], "  skip_verify = ") || !writtenOut(s.lines[i+3], "  override_path = ") {
			return false
		}
	}
	return tables > 0
}

func writtenOut(line, key string) bool { return line == key+"true" || line == key+"false" }
