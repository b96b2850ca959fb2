package hoststoml

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Each file under testdata/recorded holds a hosts.toml and what the resolver
// package of four containerd releases made of it when asked for the host r.lan,
// with ca.pem, cert.pem and key.pem in place.
func TestParseAgreesWithRecordedReleases(t *testing.T) {
	files, err := filepath.Glob("testdata/recorded/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("found %d recordings, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(ar.Files) != 5 {
				t.Fatalf("%d sections, want hosts.toml and four releases", len(ar.Files))
			}
			for _, f := range ar.Files[1:] {
				rel := release(t, f.Name)
				doc, problems := Parse(ar.Files[0].Data, rel)
				if diff := cmp.Diff(string(f.Data), effective(doc, problems, "r.lan", rel)); diff != "" {
					t.Errorf("containerd %s (-recorded +Parse):\n%s%v", f.Name, diff, problems)
				}
			}
		})
	}
}
