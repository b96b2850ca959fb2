package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pullway/pullway/test/lab/registry"
)

// ErrNoLab is what Attach and Down give for a folder that holds no lab.
var ErrNoLab = errors.New("no lab here")

// state is what a later process needs to know of a lab. It is written before
// anything is started. What runs and what is mounted is not in it: that is read from
// the lab's control group and from the kernel's list of mounts, which cannot be stale.
type state struct {
	// ID is the lab's identity by folder, Run that of this Up.
	ID  string `json:"id"`
	Run string `json:"run"`
	// Owner is the process whose end is the lab's end; nil for a kept lab.
	Owner      *process        `json:"owner,omitempty"`
	Netns      string          `json:"netns"`
	Nodes      []NodeSpec      `json:"nodes"`
	Registries []registry.Spec `json:"registries"`
	// Layers are the overlay's lower folders of each node.
	Layers [][]string `json:"layers"`
	// Binary is the registry's, App the images' program; both are in the cache.
	Binary string `json:"registryBinary"`
	App    string `json:"app"`
	// Kubernetes is what was asked for, and where its programs are in the cache.
	Kubernetes *KubeSpec         `json:"kubernetes,omitempty"`
	Programs   map[string]string `json:"kubernetesPrograms,omitempty"`
	// Ready is set when Up has ended well.
	Ready bool `json:"ready"`
}

func stateFile(dir string) string { return filepath.Join(dir, "state.json") }

func (s state) save(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replace(stateFile(dir), b, 0o600)
}

func loadState(dir string) (state, error) {
	var s state
	b, err := os.ReadFile(stateFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("%s: %w", dir, ErrNoLab)
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", stateFile(dir), err)
	}
	return s, nil
}

// process is a process that cannot be taken for a later one with the same id.
type process struct {
	PID int `json:"pid"`
	// Start is its start in clock ticks since boot.
	Start string `json:"start"`
}

func processOf(pid int) (process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	start, err := startTime(string(b))
	return process{PID: pid, Start: start}, err
}

// startTime is field 22 of a stat file; the second field may hold blanks and brackets.
func startTime(stat string) (string, error) {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 20 {
		return "", errors.New("unreadable stat file of a process")
	}
	return f[19], nil
}

func (p process) alive() bool {
	now, err := processOf(p.PID)
	return err == nil && now == p
}

// mountsBelow picks the mount points at or below dir out of a mountinfo file, the
// last made one first.
func mountsBelow(mountinfo, dir string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var out []string
	for line := range strings.Lines(mountinfo) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if p := unescape.Replace(f[4]); p == dir || strings.HasPrefix(p, dir+"/") {
			out = append([]string{p}, out...)
		}
	}
	return out
}
