package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/pullway/pullway/internal/doctor"
)

// readMessage reads error messages from a file, or from standard input. Of what is
// longer than is read the end counts: the last lines of a log tell of the last pull.
func (a *app) readMessage(name string) (string, error) {
	in := a.streams.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", usage(err, "name a file, or - for standard input")
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	var tail []byte
	block := make([]byte, 1<<20)
	for {
		n, err := in.Read(block)
		tail = append(tail, block[:n]...)
		if len(tail) > 2*doctor.MaxMessage {
			tail = append(tail[:0], tail[len(tail)-doctor.MaxMessage:]...)
		}
		switch err {
		case nil:
		case io.EOF:
			return string(tail[max(0, len(tail)-doctor.MaxMessage):]), nil
		default:
			return "", fmt.Errorf("read %s: %w", name, err)
		}
	}
}
