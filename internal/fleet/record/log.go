package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/terminal"
)

// news is one line of a log: what one node is now. A mere step has no Now.
type news struct {
	// Node is the place of the node in the record.
	Node int            `json:"node"`
	Step protocol.Step  `json:"step,omitempty"`
	Now  *fleet.NodeRun `json:"now,omitempty"`
}

// appendNews writes the line for a node that was before and is now.
func appendNews(lines *bytes.Buffer, i int, before, now *fleet.NodeRun) error {
	stepped := *before
	stepped.Step = now.Step
	n := news{Node: i}
	if stepped == *now && now.Step != "" {
		n.Step = now.Step
	} else {
		n.Now = now
	}
	return json.NewEncoder(terminal.EscapeJSON(lines)).Encode(n)
}

// errNoLog tells that a record has no log of this name. That is so when nothing
// was told since the record was written, or when it was just written anew.
var errNoLog = errors.New("no log")

// readLog reads the log that a record names.
func (s Store) readLog(id, token string) ([]byte, error) {
	if _, err := strconv.ParseUint(token, 16, 64); err != nil || len(token) != 16 {
		return nil, errors.New("the name of its log is not one")
	}
	f, err := os.Open(s.logFile(id, token))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoLog
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("its log is larger than %d MB", maxFile>>20)
	}
	return b, err
}

// replay brings nodes to what a log says. The last line may be half of one, when
// the machine went down while it was written: nothing was done upon it.
func replay(run *Run, log []byte) error {
	for number := 1; ; number++ {
		line, rest, whole := bytes.Cut(log, []byte{'\n'})
		if !whole {
			return nil
		}
		log = rest
		var n news
		err := json.Unmarshal(line, &n)
		switch {
		case err != nil:
		case n.Node < 0 || n.Node >= len(run.Nodes):
			err = fmt.Errorf("there is no node %d", n.Node)
		case n.Now == nil:
			run.Nodes[n.Node].Step = n.Step
		case n.Now.Name != run.Nodes[n.Node].Name:
			err = fmt.Errorf("node %d is %q, not %q", n.Node, run.Nodes[n.Node].Name, n.Now.Name)
		default:
			run.Nodes[n.Node] = *n.Now
		}
		if err != nil {
			return fmt.Errorf("line %d of its log: %w", number, err)
		}
	}
}
