package cli

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

func TestStopping(t *testing.T) {
	cases := map[string]struct {
		signals []os.Signal
		soon    bool
		now     bool
		last    string
	}{
		"none":                   {nil, false, false, ""},
		"Ctrl-C":                 {[]os.Signal{os.Interrupt}, true, false, "Ctrl-C again takes them back"},
		"twice":                  {[]os.Signal{os.Interrupt, os.Interrupt}, true, true, "not cut short"},
		"three times":            {[]os.Signal{os.Interrupt, os.Interrupt, os.Interrupt}, true, true, "already taking back"},
		"a closed terminal":      {[]os.Signal{syscall.SIGHUP}, true, false, "stopping after"},
		"SIGTERM again":          {[]os.Signal{syscall.SIGTERM, syscall.SIGTERM}, true, false, "already stopping"},
		"SIGTERM, then Ctrl-C":   {[]os.Signal{syscall.SIGTERM, os.Interrupt}, true, true, "not cut short"},
		"SIGHUP after two of it": {[]os.Signal{os.Interrupt, os.Interrupt, syscall.SIGHUP}, true, true, "already taking back"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				interrupts := make(chan os.Signal)
				var errs bytes.Buffer
				a := &app{streams: Streams{Err: &errs}, interrupts: interrupts}
				ctx, soon, done := a.stopping(context.Background())
				for _, s := range tc.signals {
					interrupts <- s
				}
				synctest.Wait()
				asked := false
				select {
				case <-soon:
					asked = true
				default:
				}
				if asked != tc.soon || (ctx.Err() != nil) != tc.now {
					t.Errorf("soon %v, now %v; want %v, %v", asked, ctx.Err() != nil, tc.soon, tc.now)
				}
				lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
				if !strings.Contains(lines[len(lines)-1], tc.last) {
					t.Errorf("said %q last, want %q", lines[len(lines)-1], tc.last)
				}
				done()
			})
		})
	}
}
