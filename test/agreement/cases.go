package agreement

import (
	"strings"
)

// Case is one configuration of a node and the image that is pulled there.
type Case struct {
	Name string
	// Config is config.toml, Files what lies below certs.d.
	Config string
	Files  map[string]string
	// Image is HOST/PATH; its tag is made for each pull. Digest asks by digest.
	Image  string
	Digest bool
	// Not are releases that it is not for.
	Not []string
	// Env of the daemon.
	Env []string
}

// The configuration files.
const (
	registryTable = "[plugins.\"io.containerd.grpc.v1.cri\".registry"
	withDir       = "version = 2\n" + registryTable + "]\n  config_path = \"/etc/containerd/certs.d\"\n"
	nothing       = "version = 2\n"
)

// upstream is the image of most cases.
const upstream = "registry.example.com/team/app"

// file is a hosts.toml for an image's host.
func file(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

// host is a table of hosts.toml with its keys.
func host(url string, keys ...string) string {
	return "[host.\"" + url + "\"]\n" + strings.Join(keys, "\n")
}

// at is a case of one hosts.toml for registry.example.com.
func at(name string, lines ...string) Case {
	return Case{Name: name, Config: withDir, Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(lines...)}}
}

// asked by another image, with files of its own.
func of(name, image string, files map[string]string) Case {
	return Case{Name: name, Config: withDir, Image: image, Files: files}
}

// tables is a case of the deprecated tables.
func tables(name, image string, lines ...string) Case {
	return Case{Name: name, Config: nothing + file(lines...), Image: image}
}

func mirrors(host string, endpoints ...string) string {
	return registryTable + ".mirrors.\"" + host + "\"]\n  endpoint = [\"" + strings.Join(endpoints, "\", \"") + "\"]"
}

func login(host, password string) string {
	return registryTable + ".configs.\"" + host + "\".auth]\n  username = \"" + User + "\"\n  password = \"" + password + "\""
}

const server = `server = "https://registry.example.com"`

func headerOf(url, password string) string {
	return "[host.\"" + url + "\".header]\nAuthorization = \"@" + password + "@\""
}

// Cases are all of them. None depends on another one.
func Cases() []Case {
	const mirror, second = "http://mirror.example.com:5000", "http://second.example.com:5000"
	all := []Case{
		// Order.
		{Name: "nothing is configured", Config: nothing, Image: upstream},
		{Name: "no file at all", Config: "", Image: upstream},
		of("no directory for the host", upstream, map[string]string{"ghcr.io/hosts.toml": file(host(mirror))}),
		at("mirror, then server", server, host(mirror)),
		at("two mirrors in their order", server, host(second), host(mirror)),
		at("no server", host(mirror)),
		at("the mirror as server", `server = "`+mirror+`"`, "[host]"),
		at("server only, no host table", `server = "`+mirror+`"`),
		at("server without scheme", `server = "mirror.example.com:8443"`, "[host]"),
		at("server that begins with http", `server = "httpbin.example.com"`, "[host]"),
		at("server after the host table", host(mirror), server),
		at("server with a path", `server = "https://mirror.example.com/hub"`, "[host]"),
		at("server with the path of the API", `server = "https://mirror.example.com/v2"`, "[host]"),
		at("an empty file"),
		at("only a comment", "# nothing"),
		at("host without scheme", server, host("mirror.example.com:8443")),
		at("host with a slash at its end", server, host("http://mirror.example.com:5000/")),
		at("host with a query", server, host("http://mirror.example.com:5000/?a=b")),
		// Ports and directories.
		of("port with underscores", "registry.example.com:8443/team/app", map[string]string{"registry.example.com_8443_/hosts.toml": file(host(mirror))}),
		of("port with a colon", "registry.example.com:8443/team/app", map[string]string{"registry.example.com:8443/hosts.toml": file(host(mirror))}),
		of("underscores before colon", "registry.example.com:8443/team/app", map[string]string{"registry.example.com:8443/hosts.toml": file(host(mirror)), "registry.example.com_8443_/hosts.toml": file(host(second))}),
		of("directory without the port", "registry.example.com:8443/team/app", map[string]string{"registry.example.com/hosts.toml": file(host(mirror))}),
		of("_default", "ghcr.io/team/app", map[string]string{"_default/hosts.toml": file(host(mirror))}),
		of("_default with a server", "ghcr.io/team/app", map[string]string{"_default/hosts.toml": file(`server = "`+mirror+`"`, "[host]")}),
		of("a directory before _default", upstream, map[string]string{"_default/hosts.toml": file(host(mirror)), "registry.example.com/hosts.toml": file(host(second))}),
		of("an empty directory hides _default", upstream, map[string]string{"_default/hosts.toml": file(host(mirror)), "registry.example.com/note": "x"}),
		of("a file in place of the directory", upstream, map[string]string{"registry.example.com": "x"}),
		of("Docker Hub", "docker.io/team/app", map[string]string{"docker.io/hosts.toml": file(host(mirror))}),
		of("Docker Hub by the name of its host", "docker.io/team/app", map[string]string{"registry-1.docker.io/hosts.toml": file(host(mirror))}),
		of("docker.io as server", "docker.io/team/app", map[string]string{"docker.io/hosts.toml": file(`server = "https://docker.io"`, host(mirror, `capabilities = ["pull"]`))}),
		of("IPv6", "["+Address6+"]:5000/team/app", map[string]string{"[" + Address6 + "]_5000_/hosts.toml": file(`server = "http://[`+Address6+`]:5000"`, "[host]")}),
		of("IPv6 by a mirror", "["+Address6+"]:5000/team/app", map[string]string{"[" + Address6 + "]_5000_/hosts.toml": file(host(mirror))}),
		at("IPv6 as a mirror", server, host("http://["+Address6+"]:5000")),
		of("IPv4", Address+":5000/team/app", map[string]string{Address + "_5000_/hosts.toml": file(`server = "http://`+Address+`:5000"`, "[host]")}),
		of("localhost", "localhost:5000/team/app", map[string]string{"x/hosts.toml": ""}),
		of("this machine on the port of TLS", "127.0.0.1:8443/team/app", map[string]string{"x/hosts.toml": ""}),
		of("this machine without a port", "localhost/team/app", map[string]string{"x/hosts.toml": ""}),
		{Name: "this machine without config_path", Config: nothing, Image: "localhost:5000/team/app"},
		{Name: "two directories", Config: strings.Replace(withDir, `certs.d"`, `none.d:/etc/containerd/certs.d"`, 1), Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(host(mirror))}},
		{Name: "config_path is not there", Config: strings.Replace(withDir, `certs.d"`, `none.d"`, 1), Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(host(mirror))}},
		{Name: "config_path in the table of version 3", Config: "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n", Image: upstream,
			Files: map[string]string{"registry.example.com/hosts.toml": file(host(mirror))}, Not: []string{"1.6.20", "1.7.35"}},
		{Name: "pulls by CRI itself", Config: strings.Replace(withDir, "\n[", "\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  max_concurrent_downloads = 5\n[", 1), Image: upstream,
			Files: map[string]string{"registry.example.com/hosts.toml": file(host("http://e500.example.com:5000"), host(mirror))}},
		// Paths.
		at("path mirror with override_path", server, host("https://mirror.example.com/v2/hub", "override_path = true")),
		at("path mirror without it", server, host("https://mirror.example.com/v2/hub")),
		at("path before the API", server, host("https://mirror.example.com/hub")),
		at("override_path on the server", `server = "https://mirror.example.com/v2/hub"`, "override_path = true", "[host]"),
		at("override_path without a path", server, host("https://mirror.example.com", "override_path = true")),
		// Capabilities.
		at("pull only", server, host(mirror, `capabilities = ["pull"]`)),
		at("resolve only", server, host(mirror, `capabilities = ["resolve"]`)),
		at("pull and resolve", server, host(mirror, `capabilities = ["pull", "resolve"]`)),
		at("push only, then the server", server, host(mirror, `capabilities = ["push"]`)),
		at("no capability at all", server, host(mirror, `capabilities = []`)),
		at("referrers", server, host(mirror, `capabilities = ["pull", "resolve", "referrers"]`)),
		at("an unknown capability", server, host(mirror, `capabilities = ["pull", "fetch"]`)),
		at("the server may push only", server, `capabilities = ["push"]`, host(mirror, `capabilities = ["pull"]`)),
		at("the server may push only, the mirror all", server, `capabilities = ["push"]`, host(mirror)),
		at("capabilities of a server that is not named", `capabilities = ["push"]`, host("http://e404.example.com:5000")),
		{Name: "pull only, by digest", Config: withDir, Image: upstream, Digest: true, Files: map[string]string{"registry.example.com/hosts.toml": file(server, host(mirror, `capabilities = ["pull"]`))}},
		{Name: "404 by digest", Config: withDir, Image: upstream, Digest: true, Files: map[string]string{"registry.example.com/hosts.toml": file(server, host("http://e404.example.com:5000"))}},
		// Headers and credentials.
		at("a header", server, host(mirror, `[host."`+mirror+`".header]`, `X-Pullway = "one"`)),
		at("a header of the server", server, "[header]", `X-Pullway = ["one"]`, "[host]"),
		at("Basic by a header", server, host("http://basic.example.com:5000"), headerOf("http://basic.example.com:5000", "good")),
		at("Basic by a wrong header", server, host("http://basic.example.com:5000"), headerOf("http://basic.example.com:5000", "wrong")),
		at("Basic without a credential", server, host("http://basic.example.com:5000")),
		at("Basic without a credential, and nobody else", `server = "http://basic.example.com:5000"`, "[host]"),
		at("a token by a header", server, host("https://token.example.com"), headerOf("https://token.example.com", "good")),
		at("a token by a wrong header", server, host("https://token.example.com"), headerOf("https://token.example.com", "wrong")),
		at("a token for nobody that opens nothing", server, host("https://token.example.com")),
		at("a token for nobody", server, host("https://yestoken.example.com")),
		at("a token service that is broken", server, host("https://notoken.example.com")),
		{Name: "a login for the mirror", Config: withDir + login("basic.example.com:5000", Password), Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(server, host("http://basic.example.com:5000"))}},
		{Name: "a wrong login for the mirror", Config: withDir + login("basic.example.com:5000", "wrong"), Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(server, host("http://basic.example.com:5000"))}},
		{Name: "a login for tokens", Config: withDir + login("token.example.com", Password), Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(server, host("https://token.example.com"))}},
		{Name: "a wrong login for tokens", Config: withDir + login("token.example.com", "wrong"), Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(server, host("https://token.example.com"))}},
		{Name: "a login under a key with a scheme", Config: withDir + login("http://basic.example.com:5000", Password), Image: upstream, Files: map[string]string{"registry.example.com/hosts.toml": file(server, host("http://basic.example.com:5000"))}},
		// http and https.
		at("http to https", server, host("http://mirror.example.com:8443")),
		at("https to http", server, host("https://mirror.example.com:5000")),
		at("http with skip_verify, where TLS is spoken", server, host("http://mirror.example.com:8443", "skip_verify = true")),
		at("http with skip_verify, where it is not", server, host(mirror, "skip_verify = true")),
		at("http with skip_verify = false", server, host(mirror, "skip_verify = false")),
		at("http with skip_verify on port 80", server, host("http://mirror.example.com:80", "skip_verify = true")),
		at("http with skip_verify without a port", server, host("http://mirror.example.com", "skip_verify = true")),
		withPEM(at("http with a CA", server, host("http://mirror.example.com:8443", `ca = "ca.pem"`))),
		at("server by http with skip_verify", `server = "`+mirror+`"`, "skip_verify = true", "[host]"),
		at("unknown authority", server, host("https://private.example.com")),
		at("skip_verify", server, host("https://private.example.com", "skip_verify = true")),
		at("skip_verify in quotes", server, host("https://private.example.com", `skip_verify = "true"`)),
		at("a certificate for another name", server, host("https://badname.example.com")),
		at("a certificate that is over", server, host("https://expired.example.com")),
		// Certificate files.
		withPEM(at("CA file", server, host("https://private.example.com", `ca = "ca.pem"`))),
		withPEM(at("CA file by its whole path", server, host("https://private.example.com", `ca = ["/etc/containerd/certs.d/registry.example.com/ca.pem"]`))),
		at("CA file that is not there", server, host("https://private.example.com", `ca = "gone.pem"`)),
		at("CA file of another host that is not there", server, host(mirror), host("https://private.example.com", `ca = "gone.pem"`)),
		at("CA file of an http host on port 80 that is not there", server, host("http://mirror.example.com:80", `ca = "gone.pem"`)),
		at("CA file of an http host that is not there", server, host(mirror, `ca = "gone.pem"`)),
		withPEM(at("client certificate", server, host("https://mirror.example.com", `client = [["cert.pem", "key.pem"]]`))),
		withPEM(at("client certificate and key in one list", server, host("https://mirror.example.com", `client = ["cert.pem", "key.pem"]`))),
		of("docker's CA file", "quay.io/team/app", map[string]string{"quay.io/ca.crt": "@CA@"}),
		of("docker's CA file beside a valid file", "quay.io/team/app", map[string]string{"quay.io/ca.crt": "@CA@", "quay.io/hosts.toml": file(`server = "https://quay.io"`, "[host]")}),
		of("docker's CA file beside a broken file", "quay.io/team/app", map[string]string{"quay.io/ca.crt": "@CA@", "quay.io/hosts.toml": file(`server = "https://quay.io`)}),
		of("docker's CA file that is none", "quay.io/team/app", map[string]string{"quay.io/ca.crt": "x"}),
		of("docker's client certificate without its key", "quay.io/team/app", map[string]string{"quay.io/client.cert": "@CERT@"}),
		// Broken files.
		at("a quote is missing", `server = "https://mirror.example.com`, "[host]"),
		at("hosts as a list", server, "[[host]]", `url = "`+mirror+`"`),
		at("host is a string", server, `host = "`+mirror+`"`),
		at("a host as an inline table", server, "[host]", `"`+mirror+`" = {capabilities = ["pull", "resolve"]}`),
		at("a host by a dotted key", server, `host."`+mirror+`".capabilities = ["pull", "resolve"]`),
		at("unknown keys", server, "plain_http = true", host(mirror, "insecure = true")),
		at("dial_timeout that is none", server, host(mirror, `dial_timeout = "soon"`)),
		at("a header that is a number", server, host(mirror, `[host."`+mirror+`".header]`, "X-Pullway = 1")),
		at("http with dial_timeout, where TLS is spoken", server, host("http://mirror.example.com:8443", `dial_timeout = "5s"`)),
		at("http with dial_timeout, where it is not", server, host(mirror, `dial_timeout = "5s"`)),
		at("the same host twice", server, host(mirror), host(mirror)),
	}
	for _, c := range []Case{
		{Name: "a proxy for https", Env: []string{"HTTPS_PROXY=" + Proxy}},
		{Name: "a proxy for http", Env: []string{"HTTP_PROXY=" + Proxy}},
		{Name: "a proxy for both, and NO_PROXY", Env: []string{"HTTP_PROXY=" + Proxy, "https_proxy=" + Proxy, "NO_PROXY=e404.example.com"}},
		{Name: "a proxy that is not there", Env: []string{"HTTPS_PROXY=http://" + Address + ":9"}},
	} {
		c.Config, c.Image, c.Files = withDir, upstream, map[string]string{"registry.example.com/hosts.toml": file(server, host("http://e404.example.com:5000"))}
		all = append(all, c)
	}
	all = append(all, answers()...)
	all = append(all, deprecated()...)
	return all
}

func withPEM(c Case) Case {
	dir := "registry.example.com/"
	c.Files[dir+"ca.pem"], c.Files[dir+"cert.pem"], c.Files[dir+"key.pem"] = "@CA@", "@CERT@", "@KEY@"
	return c
}

// answers are what registries answer, at the first, a middle and the last place.
func answers() (all []Case) {
	const mirror = "http://mirror.example.com:5000"
	for _, name := range []string{"e400", "e401", "bare401", "e403", "e404", "e418", "e429", "e500", "e502", "e503", "r300", "r304", "html", "loop", "hops", "lost", "closes", "nohead", "redirect",
		"nodigest", "nomanifest", "noblob", "blob401", "blob403", "blob500", "blobcut", "blobfar"} {
		bad := "http://" + name + ".example.com:5000"
		all = append(all,
			at(name+" first", server, host(bad), host(mirror)),
			at(name+" in the middle", server, host("http://e404.example.com:5000"), host(bad)),
			at(name+" last", `server = "`+bad+`"`, host("http://e404.example.com:5000")))
	}
	const refused = "http://mirror.example.com:9"
	all = append(all,
		at("refused first", server, host(refused), host(mirror)),
		at("refused in the middle", server, host("http://e404.example.com:5000"), host(refused)),
		at("refused last", `server = "`+refused+`"`, host("http://e404.example.com:5000")),
		at("unknown name first", server, host("http://nowhere.example.com"), host(mirror)),
		at("unknown name last", `server = "http://nowhere.example.com"`, host("http://e404.example.com:5000")),
		at("404 and 401 and 500", `server = "http://e500.example.com:5000"`, host("http://e404.example.com:5000"), host("http://e401.example.com:5000")),
		of("an image that nobody has", "registry.example.com/absent/app", map[string]string{"registry.example.com/hosts.toml": file(server, host(mirror))}),
		of("an image for two platforms", "registry.example.com/multi/app", map[string]string{"registry.example.com/hosts.toml": file(server, host("http://noblob.example.com:5000"), host(mirror))}),
		at("a mirror without blobs, and a pull-only one", server, host("http://noblob.example.com:5000"), host(mirror, `capabilities = ["pull"]`)),
	)
	// Each part of the image waits for it again.
	short := at("time-out first", server, host("http://dead.example.com:5000", `dial_timeout = "400ms"`), host(mirror))
	last := at("time-out last", `server = "http://dead.example.com:5000"`, `dial_timeout = "400ms"`, host("http://e404.example.com:5000"))
	two := at("two time-outs", server, host("http://dead.example.com:5000", `dial_timeout = "400ms"`), host("http://dead2.example.com:5000", `dial_timeout = "400ms"`), host(mirror))
	for _, c := range []Case{short, last, two} {
		c.Not = []string{"1.6.20", "1.7.35"}
		all = append(all, c)
	}
	// In the last place: in another one it would cost its 30 seconds for each layer again.
	whole := at("time-out of 30 seconds last", `server = "http://dead.example.com:5000"`, host("http://e404.example.com:5000"))
	whole.Not = []string{"2.0.14", "2.2.3", "2.4.2"}
	return append(all, whole)
}

// deprecated are the tables of config.toml.
func deprecated() []Case {
	const mirror, second = "http://mirror.example.com:5000", "http://second.example.com:5000"
	tls := func(host, keys string) string { return registryTable + ".configs.\"" + host + "\".tls]\n" + keys }
	return []Case{
		tables("tables: a mirror", upstream, mirrors("registry.example.com", mirror)),
		tables("tables: two mirrors", upstream, mirrors("registry.example.com", "http://e404.example.com:5000", second)),
		tables("tables: of another host", upstream, mirrors("ghcr.io", mirror)),
		tables("tables: of all", upstream, mirrors("*", mirror)),
		tables("tables: of all and of the host", upstream, mirrors("*", mirror), mirrors("registry.example.com", second)),
		tables("tables: a dead mirror", upstream, mirrors("registry.example.com", "http://mirror.example.com:9")),
		tables("tables: with a path", upstream, mirrors("registry.example.com", "https://mirror.example.com/hub")),
		tables("tables: with the path of the API", upstream, mirrors("registry.example.com", "https://mirror.example.com/v2/hub")),
		tables("tables: without a scheme", upstream, mirrors("registry.example.com", "mirror.example.com:5000")),
		tables("tables: the very host by http", upstream, mirrors("registry.example.com", "http://registry.example.com:80")),
		tables("tables: Docker Hub", "docker.io/team/app", mirrors("docker.io", "http://e404.example.com:5000")),
		tables("tables: a login for the mirror", upstream, mirrors("registry.example.com", "http://basic.example.com:5000"), login("basic.example.com:5000", Password)),
		tables("tables: a login for the registry", upstream, mirrors("registry.example.com", "http://basic.example.com:5000"), login("registry.example.com", Password)),
		tables("tables: skip_verify", upstream, mirrors("registry.example.com", "https://private.example.com"), tls("private.example.com", "insecure_skip_verify = true")),
		tables("tables: skip_verify of the registry", "quay.io/team/app", tls("quay.io", "insecure_skip_verify = true")),
		tables("tables: a port", "registry.example.com:8443/team/app", mirrors("registry.example.com:8443", mirror)),
		tables("tables: this machine", "localhost:5000/team/app", mirrors("localhost:5000", "http://localhost:5000")),
		tables("tables: html first", upstream, mirrors("registry.example.com", "http://html.example.com:5000")),
		tables("tables: no blobs first", upstream, mirrors("registry.example.com", "http://noblob.example.com:5000")),
	}
}

// For reports whether a case is for a release.
func (c Case) For(release string) bool {
	for _, not := range c.Not {
		if not == release {
			return false
		}
	}
	return true
}
