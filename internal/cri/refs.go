package cri

import "strings"

// normalize gives an image reference the form in which containerd's CRI stores
// it: with its domain, with a tag when it has neither tag nor digest, and
// without the tag when it has both. An image id is left as it is. Nothing is
// validated; a reference that makes no sense is simply found nowhere.
func normalize(ref string) string {
	if strings.HasPrefix(ref, "sha256:") {
		return ref
	}
	domain, rest, ok := strings.Cut(ref, "/")
	switch {
	case !ok:
		ref = "docker.io/library/" + ref
	case !strings.ContainsAny(domain, ".:") && domain != "localhost" && domain == strings.ToLower(domain):
		ref = "docker.io/" + ref
	case (domain == "docker.io" || domain == "index.docker.io") && !strings.Contains(rest, "/"):
		ref = "docker.io/library/" + rest
	case domain == "index.docker.io":
		ref = "docker.io/" + rest
	}
	name, digest, hasDigest := strings.Cut(ref, "@")
	repository := withoutTag(name)
	if hasDigest {
		return repository + "@" + digest
	}
	if repository == name {
		return name + ":latest"
	}
	return name
}

// withoutTag cuts the tag off a reference that has its domain and no digest.
func withoutTag(name string) string {
	slash := strings.LastIndexByte(name, '/')
	if colon := strings.LastIndexByte(name, ':'); colon > slash {
		return name[:colon]
	}
	return name
}

// repositoryOf is what is before tag and digest of a normalized reference.
func repositoryOf(normalized string) string {
	name, _, _ := strings.Cut(normalized, "@")
	return withoutTag(name)
}
