package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/doctor"
)

func TestFailedPullsOfTheJournal(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	fails := `{"MESSAGE":"level=error msg=\"PullImage \\\"r.lan/app:1\\\" failed\" error=\"http: server gave HTTP response to HTTPS client\"","__REALTIME_TIMESTAMP":"1767355190000000"}`
	for name, tc := range map[string]struct {
		script, unit string
		since        time.Duration
		check        func(*doctor.Journal) bool
	}{
		"not asked for":  {"", "containerd.service", 0, func(j *doctor.Journal) bool { return j == nil }},
		"nothing failed": {"", "containerd.service", time.Hour, func(j *doctor.Journal) bool { return j.Unread == "" && j.Pulls != nil && len(j.Pulls) == 0 }},
		"one failed": {"printf '%s\\n' '" + fails + "'", "containerd.service", time.Hour, func(j *doctor.Journal) bool {
			return j.Since.Equal(now.Add(-time.Hour)) && j.Unread == "" && len(j.Pulls) == 1 && j.Pulls[0].Image == "r.lan/app:1" && j.Pulls[0].Rules[0] == "HST005" && j.Pulls[0].At.Equal(now.Add(-10*time.Second))
		}},
		"no unit":  {"", "", time.Hour, func(j *doctor.Journal) bool { return strings.Contains(j.Unread, "no unit") }},
		"no right": {"echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1", "u", time.Hour, func(j *doctor.Journal) bool { return strings.Contains(j.Unread, "permissions") }},
		"too big": {"while :; do printf '%s\\n' '" + fails + "'; done", "u", time.Hour, func(j *doctor.Journal) bool {
			return strings.Contains(j.Unread, "too big") && j.Since.Equal(now.Add(-10*time.Second)) && len(j.Pulls) == 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "journalctl")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+tc.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			if j := failedPulls(t.Context(), daemon.JournalReader{Program: program}, tc.unit, tc.since, now); !tc.check(j) {
				t.Errorf("%+v", j)
			}
		})
	}
}
