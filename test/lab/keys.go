package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// newKey makes an SSH key: the private file and the line of the public one.
func newKey(comment string) (private []byte, public string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return nil, "", err
	}
	sshPub, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, "", err
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPub)))
	return pem.EncodeToMemory(block), line + " " + comment, nil
}

// knownHostsLine is a node in known_hosts, by address and by name.
func knownHostsLine(n *Node, public string) string {
	f := strings.Fields(public)
	return fmt.Sprintf("%s,%s %s %s\n", n.Addr, n.Name, f[0], f[1])
}
