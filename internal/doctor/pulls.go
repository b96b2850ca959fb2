package doctor

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// LogEntry is one line of a log with its time.
type LogEntry struct {
	At   time.Time
	Text string
}

// Journal is what containerd's log tells of pulls that failed of late.
type Journal struct {
	// Since is from when on it was read.
	Since time.Time `json:"since"`
	// Pulls that failed: those that still do first, then the newest first.
	Pulls []FailedPull `json:"pulls"`
	// More counts the images that were left out.
	More int `json:"more,omitempty"`
	// Unread says why it was not looked at, or not as far back as asked.
	Unread string `json:"unread,omitempty"`
}

// FailedPull is an image whose pull failed. Nothing in it is a secret of the kinds
// that secret.Scrub knows, and nothing drives a terminal.
type FailedPull struct {
	Image string `json:"image"`
	// Node is its name in Kubernetes; empty in what a node's own log tells.
	Node string `json:"node,omitempty"`
	// At is when it failed the last time, Times how often in the time looked at.
	At    time.Time `json:"at"`
	Times int       `json:"times"`
	// Text is the newest error in one line.
	Text string `json:"text"`
	// Before is what hosts that were tried earlier in that pull said; the error is
	// often that of the last one only.
	Before []string `json:"before,omitempty"`
	// Rules that the texts are of, by their ids, the likeliest first.
	Rules []string `json:"rules,omitempty"`
	// Pulled is when the image was pulled well after that; absent when it was not.
	Pulled time.Time `json:"pulled,omitzero"`
}

const (
	// maxPulls is how many images are told of, maxBefore how many earlier answers of
	// one pull, maxPullText how much of each text is shown, in bytes.
	maxPulls    = 50
	maxUnder    = 200 // pulls under way at once
	maxBefore   = 4
	maxPullText = 1024
)

var (
	pullRE    = regexp.MustCompile(`^PullImage ("(?:[^"\\]|\\.)*")(?: (failed|returns image reference)\b.*)?$`)
	sandboxRE = regexp.MustCompile(`failed to get sandbox image "([^"\\]+)"`)
	// openingRE is what containerd, CRI and kubelet write before a reason; the image is known.
	openingRE = regexp.MustCompile(`^(?:ErrImagePull: |failed to get sandbox image "[^"]*": |failed to pull image "[^"]*": |failed to pull and unpack image "[^"]*": |failed to resolve reference "[^"]*": |failed to resolve image: |rpc error: code = \w+ desc = )+`)
	// nsRE is the parameter that names the image's host to a mirror; containerd shows it
	// in some texts and hides it in others.
	nsRE = regexp.MustCompile(`\?ns=[^\s"&:]*`)
)

// TellsOfPulls reports whether FailedPulls makes anything of a line of containerd's log.
func TellsOfPulls(line string) bool {
	return strings.Contains(line, "PullImage ") || strings.Contains(line, "trying next host") || strings.Contains(line, "failed to get sandbox image")
}

// FailedPulls finds the pulls that failed in lines of containerd's log, which are in
// their order, and the rules that their errors are of. more counts images that were
// left out.
func FailedPulls(log []LogEntry) (all []FailedPull, more int) {
	f := pulls{by: map[string]*pull{}, under: map[string]*underWay{}}
	for _, e := range log {
		f.line(e)
	}
	return f.told()
}

// pulls collects what becomes of pulls, by node and image.
type pulls struct {
	by map[string]*pull
	// under is what hosts said in pulls that are not yet ended, by image.
	under map[string]*underWay
}

// underWay is a pull that began.
type underWay struct {
	// repository as a request for its manifest names it.
	repository string
	said       []string
}

// pull is one image with its texts as they are: only those of what is told are looked
// at closely.
type pull struct {
	FailedPull
	text   string
	before []string
}

func (f *pulls) line(e LogEntry) {
	l := parseLogLine(e.Text)
	if strings.Contains(l.Msg, "trying next host") && l.Err != "" {
		f.before(l.Err)
		return
	}
	if m := sandboxRE.FindStringSubmatch(l.Err); m != nil && strings.HasPrefix(l.Msg, "RunPodSandbox") {
		// CRI pulls it by itself, and logs no PullImage.
		f.failed("", fullName(m[1]), e.At, l.Err)
		return
	}
	m := pullRE.FindStringSubmatch(l.Msg)
	if m == nil {
		return
	}
	ref, err := strconv.Unquote(m[1])
	if err != nil || ref == "" {
		return
	}
	image := fullName(ref)
	switch m[2] {
	case "":
		delete(f.under, image)
		if i, err := config.ParseImage(image); err == nil && len(f.under) < maxUnder {
			f.under[image] = &underWay{repository: "/" + i.Path + "/manifests/"}
		}
	case "failed":
		p := f.failed("", image, e.At, l.Err)
		if u := f.under[image]; u != nil {
			p.before = u.said
		}
		delete(f.under, image)
	default:
		if p := f.by["\x00"+image]; p != nil {
			p.Pulled = e.At
		}
		delete(f.under, image)
	}
}

// before notes what a host said for the pulls under way that it is of: its request
// names the repository.
func (f *pulls) before(text string) {
	text = clip(text)
	for _, u := range f.under {
		if len(u.said) < maxBefore && strings.Contains(text, u.repository) && !slices.Contains(u.said, text) {
			u.said = append(u.said, text)
		}
	}
}

// failed notes a failure and returns what is known of the image.
func (f *pulls) failed(node, image string, at time.Time, text string) *pull {
	key := node + "\x00" + image
	p := f.by[key]
	if p == nil {
		p = &pull{FailedPull: FailedPull{Image: image, Node: node}}
		f.by[key] = p
	}
	p.Times++
	p.At, p.Pulled = at, time.Time{}
	p.text, p.before = clip(text), nil
	return p
}

// told puts them into order and finds the rules.
func (f *pulls) told() (all []FailedPull, more int) {
	found := slices.Collect(maps.Values(f.by))
	slices.SortFunc(found, func(a, b *pull) int {
		return cmp.Or(cmp.Compare(bit(!a.Pulled.IsZero()), bit(!b.Pulled.IsZero())), b.At.Compare(a.At), cmp.Compare(a.Image, b.Image), cmp.Compare(a.Node, b.Node))
	})
	more = max(0, len(found)-maxPulls)
	for _, p := range found[:len(found)-more] {
		for _, m := range Explain(strings.Join(append([]string{p.text}, p.before...), "\n")) {
			p.Rules = append(p.Rules, m.Rule.ID)
		}
		p.Text = shown(p.text)
		for _, text := range p.before {
			if text = shown(text); text != p.Text && !slices.Contains(p.Before, text) {
				p.Before = append(p.Before, text)
			}
		}
		all = append(all, p.FailedPull)
	}
	return all, more
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fullName is an image as containerd completes its name; what is none stays what it
// is, made fit to be shown.
func fullName(ref string) string {
	if i, err := config.ParseImage(ref); err == nil {
		return i.String()
	}
	return shown(ref)
}

// clip bounds a text far behind what is shown of it: a secret that the cut would split
// must not lose the mark it is known by.
func clip(text string) string { return text[:min(len(text), 16*maxPullText)] }

// shown is foreign text as one line that is fit for people: without what repeats the
// image, without credentials, without control characters.
func shown(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(clip(text), "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	text = openingRE.ReplaceAllString(text, "")
	text = nsRE.ReplaceAllString(secret.Scrub(text), "")
	if len(text) > maxPullText {
		text = strings.ToValidUTF8(text[:maxPullText], "") + "…"
	}
	return text
}
