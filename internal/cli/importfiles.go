package cli

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/terminal"
)

// maxImportedCAs bounds the files that one import writes.
const maxImportedCAs = 100

// checkExport refuses what no node that is well says: an import becomes files of
// the operator, and a specification that is to be read before it is used.
func checkExport(x protocol.Export) error {
	for i, r := range x.Registries {
		words := []string{r.Host, r.Fallback, r.Username}
		for _, e := range r.Endpoints {
			words = append(words, e.URL, e.DialTimeout)
			words = append(words, e.Capabilities...)
		}
		for _, w := range words {
			if strings.ContainsFunc(w, terminal.Drives) {
				return &exitError{ExitFailed, fmt.Errorf("registry %d of the node's answer has characters in it that are not to be seen: %q", i+1, terminal.Clean(w)),
					"look at that node's hosts directory and config.toml by hand"}
			}
		}
	}
	return nil
}

// caFiles are the authorities of an import, by the path that each will have.
type caFiles struct {
	dir   string
	bytes map[string][]byte
	order []string
}

// add gives the path for an authority; its content decides the name.
func (f *caFiles) add(ca []byte) (string, error) {
	if err := onlyCertificates(ca); err != nil {
		return "", err
	}
	sum := sha256.Sum256(ca)
	path := filepath.Join(f.dir, "ca-"+hex.EncodeToString(sum[:4])+".pem")
	if _, known := f.bytes[path]; known {
		return path, nil
	}
	if len(f.order) == maxImportedCAs {
		return "", fmt.Errorf("more than %d different authorities", maxImportedCAs)
	}
	if f.bytes == nil {
		f.bytes = map[string][]byte{}
	}
	f.bytes[path], f.order = ca, append(f.order, path)
	return path, nil
}

// write makes the files. One that is there already stays as it is, and must hold
// the same; a link is not followed.
func (f *caFiles) write() error {
	if len(f.order) > 0 {
		if err := os.MkdirAll(f.dir, 0o755); err != nil {
			return err
		}
	}
	for _, path := range f.order {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			if old, err := os.ReadFile(path); err != nil || string(old) != string(f.bytes[path]) {
				return fmt.Errorf("%s exists and holds something else", path)
			}
			continue
		}
		if err != nil {
			return err
		}
		_, err = file.Write(f.bytes[path])
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// onlyCertificates checks that b is PEM certificates and nothing besides but
// comments, which PEM files have between them.
func onlyCertificates(b []byte) error {
	n := 0
	for rest := b; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return errors.New("it holds other things than certificates")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d of it cannot be read", n+1)
		}
	}
	if n == 0 {
		return errors.New("it holds no PEM certificate")
	}
	return nil
}
