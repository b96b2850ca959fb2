package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
)

// The network of every lab. Each lab has it in a network namespace of its own,
// so that labs do not meet and the addresses can be those of the guide.
const (
	subnetBits = 24
	bridge     = "lab0"
)

// Operator is the address of the lab's own namespace: what is started with
// Command or `lab exec` reaches nodes and registries from here.
var Operator = netip.MustParseAddr("192.168.21.1")

// kubeAddr is where the API server of a lab with Kubernetes serves.
var kubeAddr = netip.MustParseAddr("192.168.21.6")

var firstNode = netip.MustParseAddr("192.168.21.11")

// nodeAddr is the address of the i-th node, from 0.
func nodeAddr(i int) netip.Addr {
	a := firstNode.As4()
	a[3] += byte(i)
	return netip.AddrFrom4(a)
}

// labID tells labs apart wherever the machine knows only one name for all:
// namespaces, control groups, machine names. It depends on the folder alone, so
// that a later process finds what an earlier one left behind.
func labID(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:3])
}

func netnsName(id string) string { return "pullway-" + id }

// machineName is the name that systemd-nspawn gets; the network interface at the
// bridge is called "vb-" and this, by an alternative name if it is longer than 15.
func machineName(id, node string) string { return id + "-" + node }

func hostInterface(id, node string) string { return "vb-" + machineName(id, node) }
