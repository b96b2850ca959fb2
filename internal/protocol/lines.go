package protocol

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrLineTooLong tells that the other side sent a line that is too long.
var ErrLineTooLong = errors.New("the engine sent a line that is too long")

// Reader reads one JSON value a line. It keeps no more than one line in memory.
type Reader struct {
	r   *bufio.Reader
	max int
	// purse is nil on the node's side, which trusts who asks it.
	purse *purse
}

// NewReader reads requests from r, lines of at most MaxLine bytes.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10), max: MaxLine} }

// newAnswers reads what an engine says, within its bounds and the budget.
func newAnswers(r io.Reader, b *Budget) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), max: MaxAnswer, purse: &purse{budget: b}}
}

// Read decodes the next line into v. It returns io.EOF at the end of the
// stream, ErrLineTooLong for a line that is too long, and one line about what was
// not JSON otherwise.
func (r *Reader) Read(v any) error {
	line, err := r.line()
	if err != nil {
		return err
	}
	if r.purse != nil {
		values, err := countValues(line)
		if err != nil {
			return err
		}
		if err := r.purse.hold(int64(len(line)) + int64(values)*weightOfValue); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("not a line of the engine's protocol: %w", err)
	}
	return nil
}

func (r *Reader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > r.max {
			return nil, ErrLineTooLong
		}
		if r.purse != nil {
			// A slice that grows stands there twice while it moves.
			if err := r.purse.hold(2 * int64(len(line)+len(part))); err != nil {
				return nil, err
			}
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(bytes.TrimSpace(line)) > 0:
			return line, nil
		case err != nil:
			return nil, err
		case len(bytes.TrimSpace(line)) == 0:
			line = line[:0]
			continue
		}
		return line, nil
	}
}

// Write encodes v as one line.
func Write(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
