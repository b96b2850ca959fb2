package node

import (
	"encoding/base64"
	"strings"
)

// basicUser is the user name in a Basic Authorization header; empty when it is
// none. The password is not looked at.
func basicUser(header string) string {
	encoded, found := strings.CutPrefix(header, "Basic ")
	if !found {
		return ""
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return ""
	}
	user, _, found := strings.Cut(string(b), ":")
	if !found {
		return ""
	}
	return user
}
