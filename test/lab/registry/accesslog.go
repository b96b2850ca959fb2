package registry

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Entry is one request as the registry saw it. It tells what kind of credential
// came, never the credential.
type Entry struct {
	Time time.Time `json:"time"`
	// Remote is the address of the client, without port.
	Remote string `json:"remote"`
	Method string `json:"method"`
	// Host is the Host header.
	Host string `json:"host"`
	Path string `json:"path"`
	// NS is the ns query, by which containerd tells a mirror the registry that the
	// image reference names.
	NS string `json:"ns,omitempty"`
	// Auth is "none", "basic", "bearer" or "other".
	Auth string `json:"auth"`
	// User is the user name of a basic credential.
	User   string `json:"user,omitempty"`
	Status int    `json:"status"`
	// Bytes of the answer's body.
	Bytes     int64  `json:"bytes"`
	UserAgent string `json:"userAgent,omitempty"`
}

func (e Entry) String() string {
	return fmt.Sprintf("%s %s %s%s auth=%s status=%d ns=%q agent=%q", e.Remote, e.Method, e.Host, e.Path, e.Auth, e.Status, e.NS, e.UserAgent)
}

// Log reads the access log, oldest first. A registry that was never started has an empty one.
func (f Folder) Log() ([]Entry, error) {
	b, err := os.ReadFile(f.LogFile())
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseLog(b)
}

// ClearLog empties the access log; requests under way are logged after it.
func (f Folder) ClearLog() error {
	if err := os.Truncate(f.LogFile(), 0); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

func parseLog(b []byte) ([]Entry, error) {
	var log []Entry
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return log, fmt.Errorf("access log, line %d: %w", n, err)
		}
		log = append(log, e)
	}
	return log, lines.Err()
}

// logged passes requests to next and writes one Entry line for each to w, with a
// single write, when its answer is complete.
func logged(next http.Handler, w io.Writer) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		e := entryOf(r)
		seen := &observed{ResponseWriter: rw, status: http.StatusOK}
		// Deferred: the proxy ends a broken answer by a panic of its own.
		defer func() {
			e.Status, e.Bytes = seen.status, seen.bytes
			b, err := json.Marshal(e)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			_, _ = w.Write(append(b, '\n'))
		}()
		next.ServeHTTP(seen, r)
	})
}

func entryOf(r *http.Request) Entry {
	e := Entry{
		Time: time.Now(), Remote: r.RemoteAddr, Method: r.Method, Host: r.Host, Path: r.URL.Path,
		NS: r.URL.Query().Get("ns"), Auth: "none", UserAgent: r.UserAgent(),
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		e.Remote = host
	}
	if h := r.Header.Get("Authorization"); h != "" {
		switch kind, _, _ := strings.Cut(strings.ToLower(h), " "); kind {
		case "basic":
			e.Auth = "basic"
			e.User, _, _ = r.BasicAuth()
		case "bearer":
			e.Auth = "bearer"
		default:
			e.Auth = "other"
		}
	}
	return e
}

type observed struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (o *observed) WriteHeader(status int) {
	o.status = status
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(b []byte) (int, error) {
	n, err := o.ResponseWriter.Write(b)
	o.bytes += int64(n)
	return n, err
}

// Unwrap lets the proxy flush through.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }
