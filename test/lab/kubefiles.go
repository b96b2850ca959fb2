package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// KubeUser is somebody who asks the API server. Without a binding (see the package cluster)
// such a user may do next to nothing; the group system:masters may do everything.
type KubeUser struct {
	// Name may hold colons, as system:node:node1 does.
	Name   string
	Groups []string
	// Expired gives a certificate that ended an hour ago: the server answers 401.
	Expired bool
	// Token is sent instead of a client certificate. The server knows no such tokens but
	// those that it gave to service accounts: any other is answered with 401.
	Token string
}

const adminUser = "admin"

var kubeUserForm = regexp.MustCompile(`^[a-z][a-z0-9:-]{0,62}$`)

func (k *Kube) path(name string) string { return k.lab.path("kube", name) }

// AdminKubeconfig is the path of a kubeconfig that may do everything.
func (k *Kube) AdminKubeconfig() string { return k.kubeconfigPath(adminUser) }

func (k *Kube) kubeconfigPath(user string) string {
	return k.path(strings.ReplaceAll(user, ":", "_") + ".kubeconfig")
}

// Kubeconfig writes a kubeconfig (0600) for that user and gives its path. Its context has
// the user's name, and it refers to no other file. The same name again replaces the file.
func (k *Kube) Kubeconfig(u KubeUser) (string, error) {
	b, err := k.kubeconfig(u)
	if err != nil {
		return "", err
	}
	path := k.kubeconfigPath(u.Name)
	return path, replace(path, b, 0o600)
}

func (k *Kube) kubeconfig(u KubeUser) ([]byte, error) {
	if !kubeUserForm.MatchString(u.Name) {
		return nil, fmt.Errorf("kubernetes user %q: must be lower-case letters, digits, hyphens and colons", u.Name)
	}
	serving, err := os.ReadFile(k.lab.CAFile())
	if err != nil {
		return nil, err
	}
	if u.Token != "" {
		return renderKubeconfig(k.URL(), u.Name, serving, fmt.Sprintf("token: %q\n", u.Token)), nil
	}
	clients, err := loadAuthority(k.path("client-ca.crt"), k.path("client-ca.key"))
	if err != nil {
		return nil, err
	}
	ends := time.Now().AddDate(0, 6, 0)
	if u.Expired {
		ends = time.Now().Add(-time.Hour)
	}
	cert, key, err := clients.issueClient(u.Name, u.Groups, ends)
	if err != nil {
		return nil, err
	}
	return renderKubeconfig(k.URL(), u.Name, serving, fmt.Sprintf("client-certificate-data: %s\n    client-key-data: %s\n",
		base64.StdEncoding.EncodeToString(cert), base64.StdEncoding.EncodeToString(key))), nil
}

// renderKubeconfig writes one as kubeadm does; credential are the lines of the user.
func renderKubeconfig(url, user string, ca []byte, credential string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: %q
    certificate-authority-data: %s
users:
- name: %q
  user:
    %scontexts:
- name: %q
  context: {cluster: lab, user: %q}
current-context: %q
`, url, base64.StdEncoding.EncodeToString(ca), user, credential, user, user, user)
}

// makeFolder makes the keys, certificates and kubeconfigs, before the first start.
func (k *Kube) makeFolder(serving *authority) error {
	if err := os.MkdirAll(k.path("etcd"), 0o700); err != nil {
		return err
	}
	clients, err := newAuthority("Lab Kubernetes users")
	if err != nil {
		return err
	}
	clientKey, err := clients.keyPEM()
	if err != nil {
		return err
	}
	cert, key, err := serving.issueServer(apiServerProgram, kubeAddr, "")
	if err != nil {
		return err
	}
	// The API server asks kubelets for logs and the like as an admin.
	kubeletCert, kubeletKey, err := clients.issueClient("kube-apiserver-kubelet-client", []string{"system:masters"}, time.Now().AddDate(0, 6, 0))
	if err != nil {
		return err
	}
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	accountsKey, err := privatePEM(accounts)
	if err != nil {
		return err
	}
	accountsPublic, err := x509.MarshalPKIXPublicKey(&accounts.PublicKey)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"client-ca.crt": clients.pem, "client-ca.key": clientKey,
		"apiserver.crt": cert, "apiserver.key": key,
		"kubelet-client.crt": kubeletCert, "kubelet-client.key": kubeletKey,
		"accounts.key": accountsKey, "accounts.pub": pemBlock("PUBLIC KEY", accountsPublic),
	} {
		if err := replace(k.path(name), text, 0o600); err != nil {
			return err
		}
	}
	return k.makeKubeconfigs()
}

// makeKubeconfigs writes those of the parts of Kubernetes itself.
func (k *Kube) makeKubeconfigs() error {
	for _, u := range []KubeUser{
		{Name: adminUser, Groups: []string{"system:masters"}},
		{Name: "system:" + managerProgram}, {Name: "system:" + schedulerProgram},
	} {
		if _, err := k.Kubeconfig(u); err != nil {
			return err
		}
	}
	for _, n := range k.spec.Kubelets {
		if _, err := k.Kubeconfig(kubeletUser(n)); err != nil {
			return err
		}
	}
	return nil
}

// kubeletUser is who a node's kubelet is to the node authorizer.
func kubeletUser(node string) KubeUser {
	return KubeUser{Name: "system:node:" + node, Groups: []string{"system:nodes"}}
}

// adminHTTP is a client that may do everything.
func (k *Kube) adminHTTP() (*http.Client, error) {
	clients, err := loadAuthority(k.path("client-ca.crt"), k.path("client-ca.key"))
	if err != nil {
		return nil, err
	}
	cert, key, err := clients.issueClient(adminUser, []string{"system:masters"}, time.Now().Add(time.Hour))
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(k.lab.CAFile())
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", k.lab.CAFile())
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext:     k.lab.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}}, nil
}

// flags of a program of Kubernetes or etcd.
func (k *Kube) flags(program string) []string {
	const etcdURL, etcdPeers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	kubeconfig := "--kubeconfig=" + k.kubeconfigPath("system:"+program)
	switch program {
	case etcdProgram:
		return []string{
			"--name=lab", "--data-dir=" + k.path("etcd"), "--log-level=warn", "--unsafe-no-fsync",
			"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
			"--listen-peer-urls=" + etcdPeers, "--initial-advertise-peer-urls=" + etcdPeers, "--initial-cluster=lab=" + etcdPeers,
			// One member elects itself; it need not wait for others. The quota is what 5,000 nodes
			// with their pods need, and etcd's own advice for the most.
			"--heartbeat-interval=20", "--election-timeout=100", "--quota-backend-bytes=8589934592",
		}
	case apiServerProgram:
		flags := []string{
			"--etcd-servers=" + etcdURL, fmt.Sprintf("--secure-port=%d", kubePort),
			"--bind-address=" + kubeAddr.String(), "--advertise-address=" + kubeAddr.String(),
			"--tls-cert-file=" + k.path("apiserver.crt"), "--tls-private-key-file=" + k.path("apiserver.key"),
			"--client-ca-file=" + k.path("client-ca.crt"), "--authorization-mode=Node,RBAC",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + k.path("accounts.pub"),
			"--service-account-signing-key-file=" + k.path("accounts.key"), "--service-cluster-ip-range=10.96.0.0/16",
			"--kubelet-client-certificate=" + k.path("kubelet-client.crt"), "--kubelet-client-key=" + k.path("kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true", "--enable-admission-plugins=NodeRestriction",
			// A loader with many workers is not told to wait.
			"--max-requests-inflight=3000", "--max-mutating-requests-inflight=1000",
		}
		if !k.spec.Controllers {
			// Nobody would make the service account that every pod names.
			flags = append(flags, "--disable-admission-plugins=ServiceAccount")
		}
		return flags
	case managerProgram:
		return []string{
			kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--use-service-account-credentials",
			"--service-account-private-key-file=" + k.path("accounts.key"), "--root-ca-file=" + k.lab.CAFile(),
			"--cluster-signing-cert-file=" + k.path("client-ca.crt"), "--cluster-signing-key-file=" + k.path("client-ca.key"),
			"--node-monitor-grace-period=24h",
		}
	default:
		return []string{kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1"}
	}
}

// kubeletFiles are what the kubelet of that node reads.
func (k *Kube) kubeletFiles(n *Node) ([]nodeFile, error) {
	kubeconfig, err := os.ReadFile(k.kubeconfigPath(kubeletUser(n.Name).Name))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(k.path("client-ca.crt"))
	if err != nil {
		return nil, err
	}
	return []nodeFile{
		{"/etc/kubernetes/kubelet.conf", string(kubeconfig), 0o600},
		{"/etc/kubernetes/pki/ca.crt", string(ca), 0o644},
		{"/var/lib/kubelet/config.yaml", kubeletConfig, 0o644},
		{"/etc/default/kubelet", fmt.Sprintf("KUBELET_ARGS=\"--hostname-override=%s --node-ip=%s\"\n", n.Name, n.Addr), 0o644},
	}, nil
}
