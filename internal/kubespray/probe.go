package kubespray

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
)

// role is where every release since 2.8 keeps what matters here.
const role = "roles/container-engine/containerd"

// maxTemplate bounds what is read of one file of a checkout, in bytes. The
// largest real one, the checksums of 2.31, has about 60 KiB.
const maxTemplate = 4 << 20

// NotACheckoutError tells that a folder holds no Kubespray.
type NotACheckoutError struct{ Missing string }

// Error is one line.
func (e *NotACheckoutError) Error() string {
	return "not a Kubespray checkout: " + e.Missing + " is missing"
}

// Hint says what to give instead.
func (e *NotACheckoutError) Hint() string {
	return "give the folder that holds cluster.yml and roles/, or --kubespray-version without a checkout"
}

// Probe reads what a checkout's own templates do. It runs nothing of it.
func Probe(checkout fs.FS) (Profile, error) {
	t := tree{fs: checkout}
	config := t.text(role + "/templates/config.toml.j2")
	tasks := t.text(role + "/tasks/main.yml")
	if t.err == nil && (config == "" || tasks == "") {
		return Profile{}, &NotACheckoutError{Missing: role + "/templates/config.toml.j2"}
	}
	v1 := t.text(role + "/templates/config-v1.toml.j2")
	hosts := t.text(role + "/templates/hosts.toml.j2")
	defaults := t.text(role + "/defaults/main.yml")
	p := Profile{
		Registries: reads(config, VarRegistries),
		Mirrors:    reads(config, VarMirrors) || hosts != "",
		Server:     strings.Contains(hosts, "item.server"),
		ExtraArgs:  reads(config, VarExtraArgs),
		HidesLogs:  strings.Contains(tasks, "no_log:"),
		RolePrefix: "containerd",
	}
	if strings.Contains(tasks, "Containerd | ") {
		p.RolePrefix = "Containerd"
	}
	for _, key := range []string{"host", "capabilities", "skip_verify", "override_path", "ca", "client", "header"} {
		if reads(hosts, "mirror."+key) {
			p.MirrorKeys = append(p.MirrorKeys, key)
		}
	}
	p.Insecure = insecureOf(config, tasks)
	p.ConfigPath = configPathOf(config, p.Insecure)
	switch {
	case reads(config, VarAuth):
		p.Auth = AuthAlways
	case reads(v1, VarAuth):
		p.Auth = AuthOnly1x
	}
	if p.Auth == AuthOnly1x {
		p.RuntimeKeys = missingRuntimeKeys(v1, defaults)
	}
	p.DefaultsRole = "kubespray-defaults"
	if t.exists("roles/kubespray_defaults") {
		p.DefaultsRole = "kubespray_defaults"
	}
	p.Containerd = t.defaultContainerd(p.DefaultsRole)
	p.Bootstraps, p.OtherEngines = t.whatTheTagRuns()
	p.NeverRestarts = t.handlerIsSkipped()
	return p, t.err
}

// reads reports whether a template uses a variable; the name must not go on.
func reads(template, variable string) bool {
	for rest := template; ; {
		_, after, found := strings.Cut(rest, variable)
		if !found {
			return false
		}
		if after == "" || !isWord(after[0]) {
			return true
		}
		rest = after
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func insecureOf(config, tasks string) Insecure {
	switch {
	case !reads(config, VarInsecure):
		return InsecureNone
	// with_items over a map and item.key in the tasks: the loop of 2.21.
	case strings.Contains(tasks, `with_items: "{{ `+VarInsecure+` }}"`) && strings.Contains(tasks, "item.key"):
		return InsecureBroken
	case strings.Contains(config, VarInsecure+".items()"):
		return InsecureMap
	}
	return InsecureList
}

func configPathOf(config string, insecure Insecure) ConfigPath {
	switch {
	case !strings.Contains(config, "config_path = "):
		return ConfigPathNever
	case reads(config, VarUseConfigPath):
		return ConfigPathSwitch
	case insecure != InsecureNone:
		return ConfigPathInsecure
	}
	return ConfigPathAlways
}

// missingRuntimeKeys are keys of a runtime that the 1.x template cannot do
// without and that the default runtime lacks.
func missingRuntimeKeys(v1, defaults string) (missing []string) {
	_, runtime, _ := strings.Cut(defaults, VarRuncRuntime+":")
	runtime, _, _ = strings.Cut(runtime, "\n\n")
	for _, key := range []string{"engine", "root"} {
		if strings.Contains(v1, "{{ runtime."+key+" }}") && !strings.Contains(runtime, "\n  "+key+":") {
			missing = append(missing, key)
		}
	}
	return missing
}

// tree reads files of a checkout; the first real error is kept.
type tree struct {
	fs  fs.FS
	err error
}

// text is a file's content, "" when it is not there.
func (t *tree) text(path string) string {
	if t.err != nil {
		return ""
	}
	f, err := t.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.err = err
		return ""
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err == nil && len(b) > maxTemplate {
		err = fmt.Errorf("%s is larger than %d bytes, which no Kubespray has", path, maxTemplate)
	}
	if err != nil {
		t.err = err
		return ""
	}
	return string(b)
}

func (t *tree) exists(path string) bool {
	_, err := fs.Stat(t.fs, path)
	return err == nil
}

var (
	literalVersion = regexp.MustCompile(`(?m)^containerd_version: ["']?([0-9]+\.[0-9]+\.[0-9]+)["']?\s*$`)
	checksumsOf    = regexp.MustCompile(`(?m)^containerd_archive_checksums:\n(?:  [a-z0-9]+:\n(?:    .*\n)*?)*?  amd64:\n    ["']?([0-9]+\.[0-9]+\.[0-9]+)["']?:`)
)

// defaultContainerd finds the release that is installed: a literal until 2.27,
// the first of the checksums since.
func (t *tree) defaultContainerd(defaults string) string {
	for _, path := range []string{
		"roles/download/defaults/main.yml", "roles/download/defaults/main/main.yml",
		"roles/" + defaults + "/defaults/main/download.yml", "roles/" + defaults + "/defaults/main.yaml", "roles/" + defaults + "/defaults/main.yml",
		"roles/container-engine/containerd-common/defaults/main.yml",
	} {
		if m := literalVersion.FindStringSubmatch(t.text(path)); m != nil {
			return m[1]
		}
	}
	if m := checksumsOf.FindStringSubmatch(t.text("roles/" + defaults + "/vars/main/checksums.yml")); m != nil {
		return m[1]
	}
	return ""
}

// whatTheTagRuns looks at what --tags=containerd runs besides: bootstrap-os where
// the playbook with it is imported with the tag always (2.22 and 2.23), and other
// engines where one dynamic include carries all their tags (2.31 on).
func (t *tree) whatTheTagRuns() (bootstraps, others bool) {
	facts := t.text("playbooks/facts.yml")
	bootstraps = strings.Contains(facts, "bootstrap-os") && alwaysImported(t.text("playbooks/cluster.yml"))
	for _, block := range strings.Split(t.text("roles/container-engine/tasks/main.yml"), "\n- ") {
		if strings.Contains(block, "include_role") && strings.Contains(block, "- containerd") && strings.Contains(block, "- crio") {
			others = true
		}
	}
	return bootstraps, others
}

// handlerIsSkipped recognises 2.19: the validation imports the containerd role
// statically under a condition that is false where containerd is wanted, without
// handlers_from, and its copy of the handlers, condition included, wins.
func (t *tree) handlerIsSkipped() bool {
	validate := t.text("roles/container-engine/validate-container-engine/tasks/main.yml")
	_, after, found := strings.Cut(validate, "name: container-engine/containerd\n")
	if !found {
		return false
	}
	before := validate[:len(validate)-len(after)]
	block, _, _ := strings.Cut(after, "\n- ")
	return strings.Contains(before[strings.LastIndex(before, "- name:"):], "import_role") && !strings.Contains(block, "handlers_from")
}

func alwaysImported(playbook string) bool {
	for _, block := range strings.Split(playbook, "\n- ") {
		if strings.Contains(block, "facts.yml") && strings.Contains(block, "always") {
			return true
		}
	}
	return false
}
