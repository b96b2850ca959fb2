package transport

import (
	"crypto/ed25519"
	"errors"
	"net"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys checks the key of one hop.
type hostKeys struct {
	hop   hop
	store *knownStore
	// warn is called when an unknown key was taken without a check.
	warn func(string)
}

// name is what known_hosts calls the hop. An alias stands for itself, whatever the port.
func (k hostKeys) name() string {
	if k.hop.hostKeyAlias != "" {
		return net.JoinHostPort(strings.ToLower(k.hop.hostKeyAlias), "22")
	}
	return net.JoinHostPort(strings.ToLower(k.hop.host), strconv.Itoa(k.hop.port))
}

// noAddr stands for the remote address, by which nothing is looked up.
var noAddr = &net.TCPAddr{IP: net.IPv4zero, Port: 22}

// algorithms lists the key types to ask for. Those that known_hosts has come
// first: a server shows only one of its keys, and it must be one we can compare.
// The others follow, so that a changed key is told as such.
func (k hostKeys) algorithms() ([]string, error) {
	known, err := k.store.known(k.hop.knownHosts)
	if err != nil {
		return nil, err
	}
	var first, authorities []string
	for _, want := range known.keysFor(k.name()) {
		if known.isAuthority(want) {
			authorities = ssh.SupportedAlgorithms().HostKeys
			continue
		}
		first = append(first, algorithmsOf(want.Key.Type())...)
	}
	var list []string
	seen := map[string]bool{}
	add := func(algos []string, cert bool) {
		for _, a := range algos {
			if strings.Contains(a, "-cert-") == cert && !seen[a] {
				seen[a] = true
				list = append(list, a)
			}
		}
	}
	add(authorities, true)
	add(first, false)
	add(ssh.SupportedAlgorithms().HostKeys, false)
	return list, nil
}

// algorithmsOf lists how a type of key signs; SHA-1 is left out.
func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// check implements ssh.HostKeyCallback.
func (k hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	known, err := k.store.known(k.hop.knownHosts)
	if err != nil {
		return err
	}
	err = k.judge(known, key)
	if !errors.Is(err, errUnknownKey) {
		return err
	}
	switch k.hop.strict {
	case strictNo:
		k.warn("host key of " + k.hop.addr() + " was not checked (StrictHostKeyChecking=no): " + describeKey(key))
		return nil
	case strictNew:
		return k.remember(key)
	}
	return fault(KindHostKey, "compare the fingerprint on the node's console (ssh-keygen -lf /etc/ssh/ssh_host_"+shortType(key)+"_key.pub), then log in once with ssh or use --accept-new-host-keys",
		errUnknownKey, "%s is not in known_hosts: it shows %s", k.hop.addr(), describeKey(key))
}

var errUnknownKey = errors.New("the host key is not known")

// judge returns nil for a known key and errUnknownKey for a host that nobody knows.
func (k hostKeys) judge(known *knownKeys, key ssh.PublicKey) error {
	err := known.check(k.name(), noAddr, key)
	var revoked *knownhosts.RevokedError
	var differs *knownhosts.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &revoked):
		return fault(KindHostKey, "do not use this node before you know why", err,
			"host key of %s is revoked at %s", k.hop.addr(), known.place(revoked.Revoked))
	case errors.As(err, &differs) && len(differs.Want) == 0:
		return errUnknownKey
	case errors.As(err, &differs):
		want := differs.Want[0]
		if known.isAuthority(want) {
			return fault(KindHostKey, "", err, "%s shows %s, which is no certificate of the authority at %s", k.hop.addr(), describeKey(key), known.place(want))
		}
		return fault(KindHostKey, "if the node was reinstalled, remove the line: ssh-keygen -f "+Quote(known.file(want))+" -R "+Quote(knownhosts.Normalize(k.name()))+"; else somebody may be in between", err,
			"host key of %s has changed: it shows %s, %s knows %s", k.hop.addr(), describeKey(key), known.place(want), describeKey(want.Key))
	}
	return fault(KindHostKey, "", err, "host key of %s is not accepted: %v", k.hop.addr(), err)
}

// remember adds the key of an unknown host to the first file. Somebody may have
// added one in the meantime, so it is judged again while the file is locked.
func (k hostKeys) remember(key ssh.PublicKey) error {
	if len(k.hop.knownHosts) == 0 {
		return fault(KindHostKey, "", nil, "there is no known_hosts file to remember %s in", k.hop.addr())
	}
	name := knownhosts.Normalize(k.name())
	if k.hop.hashNames {
		name = knownhosts.HashHostname(name)
	}
	line := name + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	return k.store.add(k.hop.knownHosts, line, func(known *knownKeys) error { return k.judge(known, key) })
}

// describeKey is its type and fingerprint.
func describeKey(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }

func shortType(key ssh.PublicKey) string {
	switch t := key.Type(); {
	case strings.HasPrefix(t, "ecdsa"):
		return "ecdsa"
	case t == ssh.KeyAlgoRSA:
		return "rsa"
	}
	return "ed25519"
}

// nobodysKey is a valid key that no host has.
func nobodysKey() ssh.PublicKey {
	key, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		panic(err) // the size is right
	}
	return key
}
