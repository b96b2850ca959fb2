package lab

import (
	"context"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// A reaper is a process that waits for the end of the one that made a lab, and
// then takes the lab down. It holds the reading end of a pipe: the kernel closes the
// other end however its process ends.
type reaper struct {
	pipe *os.File
	cmd  *exec.Cmd
}

const dismissal = "down"

func startReaper(helper, dir, run string) (*reaper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command(helper, "helper", "reap", dir, run)
	cmd.Stdin = r
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true} // ^C at a terminal is not for it
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return &reaper{pipe: w, cmd: cmd}, nil
}

// dismiss tells the reaper that the lab is down and waits for its end.
func (r *reaper) dismiss() {
	_, _ = io.WriteString(r.pipe, dismissal)
	_ = r.pipe.Close()
	_ = r.cmd.Wait()
}

// Reap is the reaper's side: it reads parent until it ends and then takes the lab in
// dir down, unless it was dismissed or the folder now holds another lab than run.
func Reap(ctx context.Context, parent io.Reader, dir, run string) error {
	b, err := io.ReadAll(parent)
	if err != nil {
		return err
	}
	if string(b) == dismissal {
		return nil
	}
	unlock, err := lockLab(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if st, err := loadState(dir); err != nil || st.Run != run {
		return nil
	}
	return remove(ctx, dir)
}
