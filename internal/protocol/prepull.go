package protocol

import (
	"fmt"
	"time"

	"github.com/pullway/pullway/internal/secret"
)

// Prepull asks a node to fetch images ahead of need and to keep them, or to let
// go of what it keeps. It may hold secrets: it is marshalled into the engine's
// standard input and nowhere else, and the node stores none of them.
type Prepull struct {
	// Images to be on the node, each once. Ignored with Unpin.
	Images []Ahead `json:"images,omitempty"`
	// PerNode is how many pulls are under way at once; less than 1 means 1.
	PerNode int `json:"perNode,omitempty"`
	// Stall is how long a pull may go on without a byte before it is given up; 0
	// means DefaultStall.
	Stall time.Duration `json:"stall,omitempty"`
	// DryRun looks, and changes nothing.
	DryRun bool `json:"dryRun,omitempty"`
	// Unpin takes away every pin of Pullway's on the node, and no other.
	Unpin bool `json:"unpin,omitempty"`
	// Credentials are pull secrets in pairs of user name and password; Ahead.As
	// names them by their place.
	Credentials [][2]string `json:"credentials,omitempty"`
}

// DefaultStall is how long a pull may bring nothing.
const DefaultStall = time.Minute

// Ahead is one image to be fetched.
type Ahead struct {
	// Ref is the full reference, as config.Image prints it.
	Ref string `json:"ref"`
	// Contents of the image for each platform; none when nobody could ask a registry.
	Contents []Contents `json:"contents,omitempty"`
	// Unknown says why there are no contents.
	Unknown string `json:"unknown,omitempty"`
	// As are the pull secrets to try, in order, before none.
	As []int `json:"as,omitempty"`
}

// Contents are the blobs of an image for one architecture.
type Contents struct {
	// Arch as Go names it; empty fits every node.
	Arch  string `json:"arch,omitempty"`
	Blobs []Blob `json:"blobs"`
}

// Blob is a layer or a configuration, as the registry keeps it.
type Blob struct {
	Digest string `json:"digest"`
	// Size in bytes.
	Size int64 `json:"size"`
}

// Credential adds a pull secret and returns its place.
func (p *Prepull) Credential(username string, password secret.Value) int {
	pair := [2]string{username, password.Reveal()}
	for i, c := range p.Credentials {
		if c == pair {
			return i
		}
	}
	p.Credentials = append(p.Credentials, pair)
	return len(p.Credentials) - 1
}

// String leaves the pull secrets out, so that a Prepull cannot leak through fmt.
func (p Prepull) String() string {
	return fmt.Sprintf("%d images, %d credentials", len(p.Images), len(p.Credentials))
}

// GoString prints the same as String.
func (p Prepull) GoString() string { return p.String() }

// Fetched is what a node says to a Prepull.
type Fetched struct {
	Images []FetchedImage `json:"images"`
	// Arch and Release of the node and its containerd.
	Arch    string `json:"arch"`
	Release string `json:"release"`
	// Bytes that are to be fetched, as the registry keeps them.
	Bytes int64 `json:"bytes"`
	// Room is what is free for containerd, in bytes, on the disk of Disk; Need is
	// twice the bytes to fetch: an image is kept packed and unpacked.
	Disk string `json:"disk"`
	Room int64  `json:"room"`
	Need int64  `json:"need"`
	// Unpinned are the names that were let go of.
	Unpinned []string `json:"unpinned,omitempty"`
	// Pins is what the node keeps pinned now; nil for nothing.
	Pins *Pins `json:"pins,omitempty"`
	// Warning says what did not go as it should and is no failure of an image.
	Warning string `json:"warning,omitempty"`
}

// FetchedImage is what became of one image.
type FetchedImage struct {
	Ref   string     `json:"ref"`
	State AheadState `json:"state"`
	// Bytes that had to be fetched, as the registry keeps them; 0 when that is not known.
	Bytes int64         `json:"bytes,omitempty"`
	Took  time.Duration `json:"took,omitempty"`
	// Digest of what is there.
	Digest string `json:"digest,omitempty"`
	// Pinned: kubelet is told that it is pinned. By: whose pin that is, "pullway" or "others".
	Pinned bool   `json:"pinned"`
	By     string `json:"by,omitempty"`
	// Secret tells that it came with a pull secret.
	Secret bool   `json:"secret,omitempty"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// AheadState is where an image stands on a node.
type AheadState string

// The states.
const (
	// AheadPresent: it was there already.
	AheadPresent AheadState = "present"
	// AheadMissing: it is not there; nothing was tried.
	AheadMissing AheadState = "missing"
	// AheadPulled: this run fetched it.
	AheadPulled AheadState = "pulled"
	// AheadFailed: it could not be fetched.
	AheadFailed AheadState = "failed"
	// AheadRefused: it is not fetched, since nobody knows how large it is.
	AheadRefused AheadState = "refused"
)

// Pins are the images that a node keeps for a run of prepull.
type Pins struct {
	Run      string    `json:"run"`
	Operator string    `json:"operator,omitempty"`
	Since    time.Time `json:"since"`
	// Images as they were asked for.
	Images []string `json:"images"`
}
