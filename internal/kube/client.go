package kube

import (
	"context"
	"fmt"
	"net/url"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// The types that are read. The clientset of client-go knows those of all groups,
// which would double the size of the program.
var (
	types  = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(types)
	params = runtime.NewParameterCodec(types)
)

func init() {
	utilruntime.Must(corev1.AddToScheme(types))
	utilruntime.Must(policyv1.AddToScheme(types))
}

// Open reads the kubeconfig file and takes its current context, or the one named.
// It connects to nothing. The environment variable KUBECONFIG is not looked at.
func Open(file, contextName string) (*Cluster, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: contextName}
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %s", file, oneLine(err.Error()))
	}
	return connectTo(cfg)
}

func connectTo(cfg *rest.Config) (*Cluster, error) {
	klog.SetLogger(logr.Discard()) // what goes wrong is told once, by us
	cfg = rest.CopyConfig(cfg)
	cfg.UserAgent = "pullway"
	cfg.QPS = -1 // slots and timeouts bound it
	cfg.WarningHandler = rest.NoWarnings{}
	cfg.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	cfg.NegotiatedSerializer = codecs.WithoutConversion()
	http, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %s", oneLine(err.Error()))
	}
	client := func(gv schema.GroupVersion, s runtime.NegotiatedSerializer) (rest.Interface, error) {
		one := rest.CopyConfig(cfg)
		one.APIPath, one.GroupVersion, one.NegotiatedSerializer = "/apis", &gv, s
		if gv.Group == "" {
			one.APIPath = "/api"
		}
		return rest.RESTClientForConfigAndClient(one, http)
	}
	core, err := client(corev1.SchemeGroupVersion, cfg.NegotiatedSerializer)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %s", oneLine(err.Error()))
	}
	policy, err := client(policyv1.SchemeGroupVersion, cfg.NegotiatedSerializer)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %s", oneLine(err.Error()))
	}
	c := newCluster(core, policy)
	c.client, c.server = client, cfg.Host
	return c, nil
}

// Server is the API server's URL, without a credential.
func (c *Cluster) Server() string {
	u, err := url.Parse(c.server)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Client is for the resources of another group and version, of the same server and
// user, whose types s knows. What it is used for goes through Ask.
func (c *Cluster) Client(gv schema.GroupVersion, s runtime.NegotiatedSerializer) (rest.Interface, error) {
	return c.client(gv, s)
}

func newCluster(core, policy rest.Interface) *Cluster {
	return &Cluster{core: core, policy: policy, slots: make(chan struct{}, mostInFlight), within: requestWithin}
}

// list is one page of a resource into out.
func list(ctx context.Context, c rest.Interface, resource string, o metav1.ListOptions, out runtime.Object) error {
	return c.Get().Resource(resource).VersionedParams(&o, params).Do(ctx).Into(out)
}
