package secret

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// Login is a user name and its password.
type Login struct {
	Username string
	Password Value
}

// PullSecret finds the credentials that a pull secret of Kubernetes holds for an
// image, which is HOST/PATH without tag, the closest first, as kubelet does: a key
// is a host, *.example.com, or has a path that the image's begins with. raw is what
// .dockerconfigjson holds, or the older .dockercfg. The error says nothing of
// what is in it.
func PullSecret(raw []byte, image string) ([]Login, error) {
	var c dockerConfig
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, &Error{Text: "not the JSON that docker login writes"}
	}
	if c.Auths == nil {
		// .dockercfg is the map by itself.
		if err := json.Unmarshal(raw, &c.Auths); err != nil {
			return nil, &Error{Text: "not the JSON that docker login writes"}
		}
	}
	var keys []string
	for key := range c.Auths {
		if fitsImage(key, image) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var all []Login
	for _, key := range keys {
		e := c.Auths[key]
		user, password := e.Username, e.Password
		if e.Auth != "" {
			plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(e.Auth))
			if err != nil {
				continue // kubelet passes over it, too
			}
			user, password, _ = strings.Cut(strings.TrimRight(string(plain), "\x00"), ":")
		}
		if user != "" && password != "" {
			all = append(all, Login{user, New(password)})
		}
	}
	return all, nil
}

// fitsImage reports whether a key of auths is for an image.
func fitsImage(key, image string) bool {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, below, _ := strings.Cut(key, "/")
	if p := strings.Trim(below, "/"); p == "v1" || p == "v2" {
		below = ""
	}
	imageHost, imagePath, _ := strings.Cut(image, "/")
	if keyHost(host) != imageHost && !wildcard(host, imageHost) {
		return false
	}
	below = strings.Trim(below, "/")
	return below == "" || imagePath == below || strings.HasPrefix(imagePath, below+"/")
}

// wildcard matches label by label: * stands for a part of one.
func wildcard(pattern, host string) bool {
	if !strings.Contains(pattern, "*") {
		return false
	}
	p, h := strings.Split(pattern, "."), strings.Split(host, ".")
	if len(p) != len(h) {
		return false
	}
	for i := range p {
		if ok, err := path.Match(p[i], h[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
