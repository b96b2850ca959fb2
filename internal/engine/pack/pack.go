package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/pullway/pullway/internal/engine"
)

// build compiles pkg for linux/arch into bin. What could make two builders'
// results differ (cgo, paths, the state of the repository, GOFLAGS) is switched
// off, because nodes know an engine by its hash.
func build(ctx context.Context, pkg, arch, ldflags, bin string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", bin, pkg)
	cmd.Env = append(cleanEnv(os.Environ()), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s for linux/%s: %w", pkg, arch, err)
	}
	return nil
}

// cleanEnv leaves out the variables that change what go build makes.
func cleanEnv(env []string) []string {
	var kept []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "GOFLAGS", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "GOEXPERIMENT", "GODEBUG":
		default:
			kept = append(kept, kv)
		}
	}
	return kept
}

// packFile packs the binary bin into dir and returns its entry for the index.
func packFile(bin, dir, arch string) (engine.IndexEntry, error) {
	b, err := os.ReadFile(bin)
	if err != nil {
		return engine.IndexEntry{}, err
	}
	var packed bytes.Buffer
	if err := pack(&packed, b); err != nil {
		return engine.IndexEntry{}, err
	}
	sum := sha256.Sum256(b)
	e := engine.IndexEntry{
		Arch:   arch,
		File:   "pullway-node-linux-" + arch + ".zst",
		SHA256: hex.EncodeToString(sum[:]),
		Size:   int64(len(b)),
	}
	return e, writeFile(filepath.Join(dir, e.File), packed.Bytes())
}

// pack compresses with one worker: with more, block borders depend on timing.
func pack(w io.Writer, b []byte) error {
	enc, err := zstd.NewWriter(w,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithWindowSize(1<<20)) // many uploads unpack at once, and each holds a window
	if err != nil {
		return err
	}
	if _, err := enc.Write(b); err != nil {
		_ = enc.Close()
		return err
	}
	return enc.Close()
}

// writeIndex writes the index last, so that it never names what is not there.
func writeIndex(dir string, ix engine.Index) error {
	sort.Slice(ix.Engines, func(i, j int) bool { return ix.Engines[i].Arch < ix.Engines[j].Arch })
	b, err := json.MarshalIndent(ix, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, engine.IndexFile), append(b, '\n'))
}

// writeFile replaces path as a whole, and leaves it alone when it already has
// these bytes, so that go build's cache stays good.
func writeFile(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
