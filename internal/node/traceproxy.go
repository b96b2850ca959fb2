package node

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/pullway/pullway/internal/trace"
)

// Proxy is the proxy that a process uses for an address; nil for none. What it returns
// may hold a password.
type Proxy func(*url.URL) (*url.URL, error)

// ProxyOfProcess is the proxy of a running containerd, which reads the variables of its
// environment once (http.ProxyFromEnvironment).
func ProxyOfProcess(pid int) (Proxy, error) {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil, err
	}
	return proxyOf(string(environ)), nil
}

// proxy is that of the containerd that was observed; nil when none runs.
func (o *observation) proxy() (Proxy, error) {
	if o.daemon.PID <= 0 {
		return nil, nil
	}
	return ProxyOfProcess(o.daemon.PID)
}

// proxyOf reads the variables of an environment as the kernel shows it.
func proxyOf(environ string) Proxy {
	env := map[string]string{}
	for _, v := range strings.Split(environ, "\x00") {
		if name, value, ok := strings.Cut(v, "="); ok {
			env[name] = value
		}
	}
	either := func(name string) string {
		if v := env[name]; v != "" {
			return v
		}
		return env[strings.ToLower(name)]
	}
	c := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	if c.HTTPProxy == "" && c.HTTPSProxy == "" {
		return nil
	}
	return c.ProxyFunc()
}

// throughProxy tells for each host through which proxy it is asked, without the proxy's
// login.
func throughProxy(t *trace.Trace, ways []trace.Way, proxy Proxy) {
	if proxy == nil {
		return
	}
	for i := range t.Hosts {
		at, err := url.Parse(ways[i].Endpoint.URL)
		if err != nil {
			continue
		}
		switch through, err := proxy(at); {
		case err != nil:
			t.Hosts[i].Proxy = "a proxy address that cannot be read"
		case through != nil:
			t.Hosts[i].Proxy = through.Scheme + "://" + through.Host
		}
	}
}
