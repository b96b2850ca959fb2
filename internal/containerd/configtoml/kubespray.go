package configtoml

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The registry part of a config.toml that Kubespray wrote for containerd 1.x:
// one header, config_path or mirrors below it, then the credentials, up to the
// first blank line. Source: roles/container-engine/containerd/templates,
// config.toml.j2 of v2.23.0 to v2.27.1, config-v1.toml.j2 since v2.28.0.
const (
	kubesprayHeader = `    [plugins."io.containerd.grpc.v1.cri".registry]`
	kubesprayPath   = `      config_path = "`
)

var (
	kubesprayAuth = regexp.MustCompile(`^      \[plugins\."io\.containerd\.grpc\.v1\.cri"\.registry\.configs\."([^"]+)"\.auth\]$`)
	// What stands there in place of config_path until it is switched on.
	kubesprayLegacy = regexp.MustCompile(`^ {6,10}(\[plugins\."io\.containerd\.grpc\.v1\.cri"\.registry\.(mirrors|mirrors\."[^"]*"|configs\."[^"]*"\.tls)\]|endpoint = \[.*\]|insecure_skip_verify = true)$`)
	kubesprayValue  = regexp.MustCompile(`^        (auth|username|password) = ".*"$`)
)

// kubesprayBlock is one credential as it stands in the file.
type kubesprayBlock struct {
	host  string
	lines []string
}

// asKubespray gives a file's registry part the bytes that Kubespray's own
// template gives for the same wishes, so that its next run finds nothing to
// change. ok is false for a file that Kubespray did not write, or that was
// changed in that part since.
func asKubespray(file []byte, want Wanted) (out []byte, ok bool) {
	lines := strings.Split(string(file), "\n")
	start := slices.Index(lines, kubesprayHeader)
	if start < 0 {
		return nil, false
	}
	end := start + 1
	for end < len(lines) && strings.TrimSpace(lines[end]) != "" {
		end++
	}
	path, blocks, legacy, ok := readKubespray(lines[start+1 : end])
	if !ok || legacy && !want.DropMirrors {
		return nil, false
	}
	if want.ConfigPath != "" {
		path = kubesprayPath + want.ConfigPath + `"`
	}
	section := []string{kubesprayHeader}
	if path != "" {
		section = append(section, path)
	}
	for _, b := range settledAuths(blocks, want) {
		section = append(section, b.lines...)
	}
	return []byte(strings.Join(slices.Replace(lines, start, end, section...), "\n")), true
}

// readKubespray takes the part below the header apart. ok is false when there is
// a line that the template does not write.
func readKubespray(lines []string) (path string, blocks []kubesprayBlock, legacy, ok bool) {
	for _, l := range lines {
		auth := kubesprayAuth.FindStringSubmatch(l)
		switch {
		case auth != nil:
			blocks = append(blocks, kubesprayBlock{auth[1], []string{l}})
		case kubesprayValue.MatchString(l) && len(blocks) > 0:
			b := &blocks[len(blocks)-1]
			b.lines = append(b.lines, l)
		case strings.HasPrefix(l, kubesprayPath) && len(blocks) == 0:
			path = l
		case kubesprayLegacy.MatchString(l) && len(blocks) == 0:
			legacy = true
		default:
			return "", nil, false, false
		}
	}
	return path, blocks, legacy, true
}

// settledAuths are the credentials as they shall be: those of others as they
// are, ours in their place or behind them.
func settledAuths(blocks []kubesprayBlock, want Wanted) (all []kubesprayBlock) {
	for _, b := range blocks {
		set := slices.ContainsFunc(want.SetConfigAuth, func(a HostAuth) bool { return a.Host == b.host })
		if set || !slices.Contains(want.DropConfigAuth, b.host) {
			all = append(all, b)
		}
	}
	for _, a := range want.SetConfigAuth {
		pair := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password.Reveal()))
		b := kubesprayBlock{a.Host, []string{
			fmt.Sprintf(`      [plugins."io.containerd.grpc.v1.cri".registry.configs."%s".auth]`, a.Host),
			fmt.Sprintf(`        auth = "%s"`, pair)}}
		if i := slices.IndexFunc(all, func(o kubesprayBlock) bool { return o.host == a.Host }); i >= 0 {
			all[i] = b
			continue
		}
		all = append(all, b)
	}
	return all
}

// writeAsKubespray is asKubespray for the file that holds the part, before any
// other edit, which then finds little or nothing left to do.
func (e *editor) writeAsKubespray() {
	for i := range e.t.Files {
		out, ok := asKubespray(e.t.Files[i].Data, e.want)
		if !ok || string(out) == string(e.t.Files[i].Data) {
			continue
		}
		reason := "registries as Kubespray's own template writes them"
		e.edit(i, reason, []span{{0, len(e.t.Files[i].Data), string(out)}})
		e.t.settle()
	}
}
