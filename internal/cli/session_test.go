package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
)

func TestASecondSessionIsToldWhoHoldsTheFirst(t *testing.T) {
	t.Setenv("PULLWAY_STATE_DIR", t.TempDir())
	a := &app{now: time.Now}
	first, err := a.begin("apply", nil)
	if err != nil {
		t.Fatal(err)
	}
	var held *record.HeldError
	if _, err := a.begin("rollback", nil); !errors.As(err, &held) || held.Holder.Run != first.head.ID || held.Holder.PID != os.Getpid() {
		t.Fatalf("%v, want the first session", err)
	}
	// A session that goes on with another run says so.
	if err := first.goOn(&fleet.Run{ID: "20261123T101502Z-4f2a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.begin("apply", nil); err == nil || !strings.Contains(err.Error(), `run "20261123T101502Z-4f2a"`) || !strings.Contains(err.Error(), "since") {
		t.Errorf("%v", err)
	}
	first.end()
	second, err := a.begin("apply", nil)
	if err != nil {
		t.Fatal(err)
	}
	second.end()
}

func TestADamagedRecordDoesNotBlock(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PULLWAY_STATE_DIR", dir)
	good := &fleet.Run{Schema: fleet.RunSchema, ID: "20261123T101502Z-0002"}
	if err := (record.Store{Dir: dir}).Save(good); err != nil {
		t.Fatal(err)
	}
	for id, told := range map[string]bool{"20261123T101502Z-0001": false, "20261123T101502Z-0003": true} {
		folder := filepath.Join(dir, "runs", id)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "run.json"), []byte(`{"schema": 1,`), 0o600); err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		s, err := (&app{now: time.Now, streams: Streams{Err: &errs}}).begin("apply", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.end()
		if len(s.earlier) != 1 || s.earlier[0].ID != good.ID || strings.Contains(errs.String(), id) != told {
			t.Errorf("%s: %d records, said %q", id, len(s.earlier), errs.String())
		}
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
	}
}
