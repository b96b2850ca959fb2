package plan

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/secret"
)

func sha(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// keyed hashes content that may hold secrets; see Options.Key.
func (b *builder) keyed(data []byte) string {
	return keyedSum(b.opt.Key, data)
}

func keyedSum(key, data []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write(data)
	return hex.EncodeToString(m.Sum(nil))[:16]
}

const secretChanges = "(only secret values change)\n"

// hostFileDiff shows a change of a host directory's file, nil standing for absence.
func hostFileDiff(path string, before, after []byte, both bool) string {
	mask := hoststoml.Mask
	switch {
	case strings.HasSuffix(path, ".key"):
		mask = func(b []byte) []byte { return []byte(secret.Mask + "\n") }
	case strings.HasSuffix(path, ".pem"):
		mask = func(b []byte) []byte { return b }
	}
	return maskedDiff(path, before, after, mask)
}

// FileDiff shows a change of a hosts.toml or of a file of the configuration, with
// every secret masked.
func FileDiff(path string, before, after []byte) string {
	if filepath.Base(path) == hoststoml.FileName {
		return hostFileDiff(path, before, after, true)
	}
	return configDiff(path, before, after)
}

func configDiff(path string, before, after []byte) string {
	return maskedDiff(path, before, after, MaskConfig)
}

func maskedDiff(path string, before, after []byte, mask func([]byte) []byte) string {
	oldName, newName := filepath.Clean(path), filepath.Clean(path)
	oldText, newText := before, after
	if before == nil {
		oldName = "/dev/null"
	} else {
		oldText = mask(before)
	}
	if after == nil {
		newName = "/dev/null"
	} else {
		newText = mask(after)
	}
	d := diff.Diff(oldName, oldText, newName, newText)
	if len(d) == 0 && string(before) != string(after) {
		return secretChanges
	}
	// The first line repeats the names as a command.
	_, rest, _ := strings.Cut(string(d), "\n")
	return rest
}

var (
	// A key that holds a credential, with its whole value to the end of the line.
	secretLine = regexp.MustCompile(`(?i)^(\s*(?:[^=#]*\.)?\s*["']?(?:password|auth|identitytoken|identity_token|registrytoken|authorization|proxy-authorization|token|secret|x-[\w-]+)["']?\s*=\s*)(\S.*?)(\r?)$`)
	// The same inside an inline table.
	secretInline = regexp.MustCompile(`(?i)([{,]\s*["']?(?:password|auth|identitytoken|authorization|token|secret|x-[\w-]+)["']?\s*=\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|[^,}\s{\[][^,}]*|\[[^\]]*\]?)`)
	headersTable = regexp.MustCompile(`(?i)^\s*\[.*headers?["']?\s*\]`)
	anyTable     = regexp.MustCompile(`^\s*\[`)
	anyValue     = regexp.MustCompile(`^(\s*[^=#]+=\s*)(\S.*?)(\r?)$`)
	// user:password@ in a URL.
	userinfo = regexp.MustCompile(`(://[^/\s"':@]*):[^/\s"'@]*@`)
)

// MaskConfig returns a config.toml in which the value of every key that may hold
// a credential is ***. It goes by lines and by names, so it also serves files
// that do not parse; a multi-line string of such a key is masked to its end.
func MaskConfig(data []byte) []byte {
	var out strings.Builder
	inHeaders, multi := false, ""
	for line := range strings.Lines(string(data)) {
		body := strings.TrimSuffix(line, "\n")
		end := line[len(body):]
		if multi != "" {
			if strings.Contains(body, multi) {
				multi = ""
			}
			out.WriteString(secret.Mask + end)
			continue
		}
		if anyTable.MatchString(body) && !strings.Contains(body, "=") {
			inHeaders = headersTable.MatchString(body)
		}
		re := secretLine
		if inHeaders {
			re = anyValue
		}
		if m := re.FindStringSubmatch(body); m != nil {
			for _, q := range []string{`"""`, `'''`} {
				if strings.HasPrefix(m[2], q) && !strings.Contains(m[2][3:], q) {
					multi = q
				}
			}
			if !strings.HasPrefix(m[2], "{") {
				body = m[1] + `"` + secret.Mask + `"` + m[3]
			}
		}
		body = secretInline.ReplaceAllString(body, `${1}"`+secret.Mask+`"`)
		out.WriteString(userinfo.ReplaceAllString(body, "$1:"+secret.Mask+"@") + end)
	}
	return []byte(out.String())
}
