package doctor

// autRules are about credentials.
var autRules = []Rule{
	{
		ID: "AUT001", Title: "Pull secrets are offered to the mirror", Severity: Advice, Told: FromFiles,
		Cause:    "kubelet does not say for which server a pull secret is, so containerd offers the pod's secret for the image's registry to any mirror that answers 401. Over http:// it goes in the clear.",
		Fix:      "Use mirrors that you trust with those passwords, over https, or ones that take everybody.",
		Releases: "all",
		Links:    []string{"containerd#10996", "containerd#13949", "moby#52532"},
	},
	{
		ID: "AUT002", Title: "The mirror wants a credential that kubelet cannot give", Severity: S4, Told: FromNode,
		Errors:   []string{"authorization failed: no basic auth credentials", "failed to authorize: failed to fetch anonymous token: … 401 Unauthorized", "failed to fetch oauth token: …"},
		Cause:    "Pull secrets are found by the registry in the image's name; there is none for the mirror.",
		Fix:      "Write an Authorization header into hosts.toml (for a registry of tokens from 2.1 on), or let the mirror take everybody.",
		Releases: "all",
		Links:    []string{"containerd#10996", "containerd#9997", "containerd#5330", "containerd#11103", "harbor#11108"},
	},
	{
		ID: "AUT003", Title: "The sandbox image is in a registry that may want a credential", Severity: Advice, Told: FromFiles,
		Errors:   []string{"failed to get sandbox image \"…\"", "failed to pull image \"…/pause:…\""},
		Cause:    "containerd pulls the pause image by itself, without pull secrets: it has to come from a registry that takes everybody, or one that the node itself has a credential for. 2.0.0 also forgot `configs.auth` when `config_path` was set. A running node that has the image is not told of it.",
		Fix:      "Write an Authorization header for that registry, or have the image on the node beforehand.",
		Releases: "all",
		Links:    []string{"talos#9594", "containerd#10916", "kops#13377", "kubernetes#90503", "kubernetes#79422"},
	},
	{
		ID: "AUT004", Title: "A password that everybody on the node can read", Severity: Advice, Told: FromFiles,
		Cause:    "A file with a credential has a mode that lets others than its owner read it.",
		Fix:      "chmod 0600 the file. containerd reads it as root.",
		Releases: "all",
	},
	{
		ID: "AUT005", Title: "Two credentials for one registry", Severity: S3, Told: FromFiles,
		Errors:   []string{"no basic auth credentials", "401 Unauthorized"},
		Cause:    "`registry.auths` is copied over `registry.configs.*.auth` of the same host: the latter is never sent.",
		Fix:      "Keep one of them.",
		Releases: "all",
		Links:    []string{"containerd#9907"},
	},
}
