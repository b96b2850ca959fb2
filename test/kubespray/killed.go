package kubespray

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// killsPlay is a callback of Ansible that kills the play once a task has changed
// something: what a lost connection or the machine's own lack of memory do, at a
// point that is known.
//
//go:embed killplay.py
var killsPlay []byte

// OnKilled is On for a play that gets SIGKILL as soon as the task that writes
// config.toml has changed it, before any handler ran. A play that comes further
// is an error.
func (t Tasks) OnKilled(ctx context.Context, make Command, inventory, scratch, bin string, env ...string) (log string, err error) {
	plugins := filepath.Join(scratch, "callbacks")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(plugins, "killplay.py"), killsPlay, 0o644); err != nil {
		return "", err
	}
	env = append(env, "ANSIBLE_CALLBACK_PLUGINS="+plugins, "ANSIBLE_CALLBACKS_ENABLED=killplay", "KILL_PLAY_AFTER="+t.ConfigTask())
	o, err := t.play(ctx, inventory, scratch, onNode(bin), env, make)
	if err == nil || !strings.Contains(o.Log, t.ConfigTask()) {
		return o.Log, fmt.Errorf("the play was not killed after %q: %v", t.ConfigTask(), err)
	}
	return o.Log, nil
}
