package kubespray

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// NodeRow is what came of the real registry tasks of one release on real nodes.
type NodeRow struct {
	Release string `json:"release"`
	// Commit is that of the tag, in full.
	Commit string `json:"commit"`
	// Ansible is the ansible-core that ran the tasks.
	Ansible string `json:"ansible"`
	// Unloadable is why this ansible-core cannot run them; the rest is empty then.
	Unloadable string `json:"unloadable,omitempty"`
	// Containerd is what the nodes ran; Pinned tells that containerd_version said so.
	Containerd string `json:"containerd,omitempty"`
	Pinned     bool   `json:"pinned,omitempty"`
	// What came of the guide's variables, of rendered ones, of the fast way, of a play
	// that was killed half way, and of a credential of odd letters.
	Guide    string `json:"guide,omitempty"`
	Rendered string `json:"rendered,omitempty"`
	Fast     string `json:"fast,omitempty"`
	Killed   string `json:"killed,omitempty"`
	Odd      string `json:"odd,omitempty"`
}

// same reports whether two rows are of the same release in the same setting.
func (r NodeRow) same(o NodeRow) bool { return r.Release == o.Release && r.Pinned == o.Pinned }

// Whole reports whether each part was run.
func (r NodeRow) Whole() bool {
	return r.Guide != "" && r.Rendered != "" && r.Fast != "" && r.Killed != "" && r.Odd != ""
}

// NodeRows are all rows that were recorded, oldest release first.
type NodeRows []NodeRow

// Where the rows are and the page that is made of them, seen from a folder two
// below the repository's.
var (
	nodeRowsFile = filepath.Join("..", "kubespray", "testdata", "nodes.json")
	nodePage     = filepath.Join("..", "..", "docs", "kubespray-releases.md")
)

// ReadNodeRows are the rows that were recorded.
func ReadNodeRows() (rows NodeRows, err error) {
	b, err := os.ReadFile(nodeRowsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return rows, json.Unmarshal(b, &rows)
}

// Keep compares a row with the recorded one. With PULLWAY_KUBESPRAY=record it takes
// its place, in the table and on the page.
func (r NodeRow) Keep() error {
	rows, err := ReadNodeRows()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rows, r.same)
	if os.Getenv("PULLWAY_KUBESPRAY") != "record" {
		if i < 0 || rows[i] != r {
			return fmt.Errorf("not as recorded in testdata/nodes.json: %+v", r)
		}
		return nil
	}
	if i >= 0 {
		rows[i] = r
	} else {
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b NodeRow) int {
		return cmp.Or(slices.Compare(numbers(a.Release), numbers(b.Release)), strings.Compare(strconv.FormatBool(a.Pinned), strconv.FormatBool(b.Pinned)))
	})
	b, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(nodeRowsFile, append(b, '\n'), 0o644), os.WriteFile(nodePage, []byte(rows.Markdown()), 0o644))
}

func numbers(version string) (all []int) {
	for _, part := range strings.Split(version, ".") {
		n, _ := strconv.Atoi(part)
		all = append(all, n)
	}
	return all
}

// AnsibleCore is the release of the ansible-core that plays are run with.
func AnsibleCore() (string, error) {
	out, err := exec.Command("ansible-playbook", "--version").Output()
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`\[core ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("ansible-playbook --version says no release of ansible-core")
	}
	return string(m[1]), nil
}

const pageHead = `# Kubespray's releases on real nodes

<!-- Written by ` + "`make e2e-kubespray`" + `. Do not edit. -->

The registry tasks of Kubespray's own containerd role, from "Copy containerd config file" to the end with its handlers, out of the tags' own trees, run by
ansible-core %s on nodes with systemd, sshd and containerd, against registries with passwords. How to use the variables: [Registries on a
Kubespray cluster](kubespray.md). What each makes of every kind of right and wrong variable, looked at
without a node, is recorded in ` + "`test/kubespray/testdata/matrix.json`" + `.

| Kubespray | commit | containerd | the guide's variables | rendered variables | the fast way | a play killed half way | an odd credential |
| --- | --- | --- | --- | --- | --- | --- | --- |
`

const pageFoot = `
- **The guide's variables**, on a node that this release had deployed. *ignored*: 0 changed, every byte of /etc/containerd as before, and no pull.
  *the play fails*: at the task that writes config.toml, nothing is written. *written, no pull*: containerd gets an endpoint without a scheme.
- **Rendered variables**: ` + "`pullway kubespray apply`" + ` writes them, the role runs, kubelet's way of pulling works, and a second run of the role changes nothing.
  2.28 has no variable that carries a credential to its containerd: the specification with one is refused, with what works instead, and a registry without
  a password was used here and in the next two columns.
- **The fast way**: ` + "`pullway apply --kubespray`" + ` with the guide's variables still there; a wrong password first, which leaves node and variables as they
  were; then the pull works, and the role finds *0 changed, 0 restarts*. *refused*: before 2.23 registries are inside config.toml; Pullway says so at once.
- **A play killed half way**: SIGKILL after config.toml was written and before the restart, then the play again. In every release it is green, restarts nothing,
  and no pull works. ` + "`pullway status`" + ` says that the file is not loaded, or may not be; ` + "`pullway apply`" + ` restarts containerd and the pull
  works. *then 0 changed*: so the role says afterwards. *then its own form*: before 2.23 the role writes its own config.toml again, restarts once, and the pull works.
- **An odd credential**: a user name with a quote, a backslash, an apostrophe, ` + "`{{ x }}`" + ` and ` + "`$`" + `, and a password with those and a line end, through
  ansible-vault, the role and a registry's htpasswd file. It is in nothing that was printed, neither in the inventory in clear nor in the node's journal.
`

// Markdown is the page that the rows make.
func (rows NodeRows) Markdown() string {
	var b strings.Builder
	var ansible []string
	for _, r := range rows {
		if !slices.Contains(ansible, r.Ansible) {
			ansible = append(ansible, r.Ansible)
		}
	}
	fmt.Fprintf(&b, pageHead, strings.Join(ansible, " and "))
	notHere := ""
	for _, r := range rows {
		if r.Unloadable != "" {
			notHere += fmt.Sprintf("- %s (`%.10s`), by ansible-core %s: %s\n", r.Release, r.Commit, r.Ansible, r.Unloadable)
			continue
		}
		containerd := r.Containerd
		if r.Pinned {
			containerd += ", by `containerd_version`"
		}
		fmt.Fprintf(&b, "| %s | `%.10s` | %s | %s | %s | %s | %s | %s |\n", r.Release, r.Commit, containerd, r.Guide, r.Rendered, r.Fast, r.Killed, r.Odd)
	}
	b.WriteString(pageFoot)
	if notHere != "" {
		b.WriteString("\n## Not shown\n\nWhat Pullway says of these was read in their templates, and no task of theirs was run:\n\n" + notHere)
	}
	return b.String()
}
