package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/engine"
)

func TestPackedEngineComesBack(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	want := bytes.Repeat([]byte("an engine that is long enough to have blocks\n"), 50_000)
	if err := os.WriteFile(bin, want, 0o755); err != nil {
		t.Fatal(err)
	}
	e, err := packFile(bin, dir, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	if err := writeIndex(dir, engine.Index{Engines: []engine.IndexEntry{e}}); err != nil {
		t.Fatal(err)
	}
	got, err := engine.FromFS(os.DirFS(dir)).For("amd64")
	if err != nil {
		t.Fatal(err)
	}
	if got.Size != int64(len(want)) || got.SHA256 != e.SHA256 {
		t.Errorf("index says %d bytes, hash %s; the binary has %d, %s", got.Size, got.SHA256, len(want), e.SHA256)
	}
	rc, err := got.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rc.Close() }()
	b, err := io.ReadAll(rc)
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("unpacked %d bytes, error %v; want the %d that were packed", len(b), err, len(want))
	}
}

func TestPackingIsReproducible(t *testing.T) {
	in := bytes.Repeat([]byte("0123456789abcdef pullway "), 200_000)
	var a, b bytes.Buffer
	if err := pack(&a, in); err != nil {
		t.Fatal(err)
	}
	if err := pack(&b, in); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same bytes were packed in two ways")
	}
}

func TestCleanEnvDropsWhatChangesABuild(t *testing.T) {
	got := cleanEnv([]string{"PATH=/bin", "GOFLAGS=-race", "GOARCH=386", "HOME=/h", "CGO_ENABLED=1"})
	if diff := cmp.Diff([]string{"PATH=/bin", "HOME=/h"}, got); diff != "" {
		t.Error(diff)
	}
}
