package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// packedDir is a directory as the packer writes it, with one engine.
func packedDir(t *testing.T, content []byte) fstest.MapFS {
	t.Helper()
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	ix, err := json.Marshal(Index{Engines: []IndexEntry{{
		Arch: "amd64", File: "a.zst", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content)),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"a.zst": {Data: packed.Bytes()}, IndexFile: {Data: ix}, "README.md": {}}
}

func read(t *testing.T, s *Set) ([]byte, error) {
	t.Helper()
	e, err := s.For("amd64")
	if err != nil {
		t.Fatal(err)
	}
	rc, err := e.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rc.Close() }()
	return io.ReadAll(rc)
}

func TestSetReadsWhatWasPacked(t *testing.T) {
	want := []byte(strings.Repeat("engine", 10_000))
	s := FromFS(packedDir(t, want))
	if diff := cmp.Diff([]string{"amd64"}, s.Arches()); diff != "" {
		t.Error(diff)
	}
	for range 2 { // it can be opened again
		got, err := read(t, s)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, error %v; want %d", len(got), err, len(want))
		}
	}
}

func TestReadersShareOneCopy(t *testing.T) {
	want, opened := []byte("the engine"), 0
	sum := sha256.Sum256(want)
	e := New("amd64", hex.EncodeToString(sum[:]), int64(len(want)), func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(bytes.NewReader(want)), nil
	})
	open := func() io.ReadCloser {
		t.Helper()
		rc, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		return rc
	}
	first, second := open(), open()
	for _, rc := range []io.ReadCloser{first, second} {
		if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %q, %v", got, err)
		}
	}
	_, _ = first.Close(), first.Close() // twice is once
	third := open()
	if opened != 1 {
		t.Errorf("unpacked %d times for three readers at a time", opened)
	}
	_, _ = second.Close(), third.Close()
	if e.shared.data != nil {
		t.Error("the copy stays after the last reader")
	}
	if _ = open().Close(); opened != 2 {
		t.Errorf("unpacked %d times in all, want 2", opened)
	}
}

func TestMissingEngineIsTyped(t *testing.T) {
	cases := map[string]*Set{
		"nothing was packed":        FromFS(fstest.MapFS{"README.md": {}}),
		"another architecture":      FromFS(packedDir(t, []byte("x"))),
		"the index is left over":    FromFS(func() fstest.MapFS { m := packedDir(t, []byte("x")); delete(m, "a.zst"); return m }()),
		"a set made without any":    NewSet(),
		"an engine that opens none": NewSet(Engine{Arch: "amd64"}),
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			arch := "arm64"
			if name == "an engine that opens none" {
				_, err := Engine{Arch: arch}.Open()
				assertMissing(t, err, arch)
				return
			}
			_, err := s.For(arch)
			assertMissing(t, err, arch)
		})
	}
}

func assertMissing(t *testing.T, err error, arch string) {
	t.Helper()
	var missing *MissingError
	if !errors.As(err, &missing) || missing.Arch != arch {
		t.Fatalf("error is %v, want a MissingError for %s", err, arch)
	}
	if want := "this build of pullway carries no engine for linux/arm64: build it with make build"; err.Error() != want {
		t.Errorf("text is %q, want %q", err, want)
	}
}

func TestDamageShowsBeforeTheEnd(t *testing.T) {
	other := packedDir(t, []byte("another engine of some length"))
	cases := map[string]func(fstest.MapFS){
		"another binary": func(m fstest.MapFS) { m["a.zst"] = other["a.zst"] },
		"cut short":      func(m fstest.MapFS) { m["a.zst"].Data = m["a.zst"].Data[:len(m["a.zst"].Data)-3] },
		"not zstd":       func(m fstest.MapFS) { m["a.zst"].Data = []byte("plain") },
		"empty":          func(m fstest.MapFS) { m["a.zst"].Data = nil },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			m := packedDir(t, []byte("the engine"))
			spoil(m)
			if _, err := read(t, FromFS(m)); err == nil {
				t.Error("a damaged engine was read without an error")
			}
		})
	}
}

func TestBrokenIndexIsToldAtUse(t *testing.T) {
	for name, index := range map[string]string{
		"no JSON":   "{",
		"no hash":   `{"engines":[{"arch":"amd64","file":"a.zst","size":1}]}`,
		"odd hash":  `{"engines":[{"arch":"amd64","file":"a.zst","size":1,"sha256":"$(reboot)"}]}`,
		"no length": `{"engines":[{"arch":"amd64","file":"a.zst","sha256":"` + strings.Repeat("a", 64) + `"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromFS(fstest.MapFS{"a.zst": {}, IndexFile: {Data: []byte(index)}}).For("amd64")
			if err == nil || errors.As(err, new(*MissingError)) {
				t.Errorf("error is %v, want one that names the index", err)
			}
		})
	}
}

func TestEmbeddedCompilesWithAndWithoutEngines(t *testing.T) {
	s := Embedded()
	if s != Embedded() {
		t.Error("the set is read anew each time")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if _, err := s.For(arch); err != nil && !errors.As(err, new(*MissingError)) {
			t.Errorf("%s: %v", arch, err)
		}
	}
}
