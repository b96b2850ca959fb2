package agreement

import (
	"io"
	"net"
	"net/http"
)

const proxyPort = "3128"

// Proxy is the address of a proxy that knows the names of the world.
const Proxy = "http://" + Address + ":" + proxyPort

// proxy passes on what comes, and writes down for whom.
func (w *world) proxy(rw http.ResponseWriter, r *http.Request) {
	w.note(Event{Method: "PROXY", Where: "proxy to " + r.Host})
	if r.Method != http.MethodConnect {
		w.answer(rw, r, "http")
		return
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	to, err := net.Dial("tcp", net.JoinHostPort(Address, port))
	if err != nil {
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	from, buffered, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(to, buffered)
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
	_ = from.Close()
}
