package kube

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestInCluster(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if c, ok, err := InCluster(); c != nil || ok || err != nil {
		t.Errorf("outside: %v, %v, %v", c, ok, err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "192.168.21.6")
	t.Setenv("KUBERNETES_SERVICE_PORT", "6443")
	if _, ok, err := InCluster(); !ok || err == nil || !strings.Contains(err.Error(), "service account of this pod: ") {
		t.Errorf("a pod without a token: %v, %v", ok, err)
	}
}

func TestReadInto(t *testing.T) {
	text := bytes.Repeat([]byte("page"), 5000)
	buf := make([]byte, 0, 10)
	for range 2 { // the second time into what the first one made
		var err error
		if buf, err = readInto(buf[:0], iotest.OneByteReader(bytes.NewReader(text))); err != nil || !bytes.Equal(buf, text) {
			t.Fatalf("%d bytes, %v", len(buf), err)
		}
	}
	if _, err := readInto(nil, io.MultiReader(bytes.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if _, err := readInto(nil, endless{}); !errors.Is(err, ErrPageTooBig) {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestFind(t *testing.T) {
	nodes := []Names{{Name: "n1", IPs: []string{"192.168.21.11"}}, {Name: "n2", Hostname: "two"}, {Name: "n3", Hostname: "two"}}
	found, why, err := Find([]Machine{{Name: "a", Host: "192.168.21.11"}, {Name: "two"}, {Name: "else"}}, nodes)
	if err != nil || len(found) != 1 || found["a"] != "n1" {
		t.Errorf("%v, %v", found, err)
	}
	if !strings.Contains(why["two"], "several") || !strings.Contains(why["else"], "no node of this name") {
		t.Errorf("%v", why)
	}
	if _, _, err := Find([]Machine{{Name: "x"}}, nodes); err == nil || !strings.Contains(err.Error(), "knows none") {
		t.Error(err)
	}
}
