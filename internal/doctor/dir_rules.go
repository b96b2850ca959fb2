package doctor

// dirRules are mistakes in the layout of the hosts directory.
var dirRules = []Rule{
	{
		ID: "DIR001", Title: "The directory has another port than the images", Severity: S3, Told: FromFiles,
		Errors:   []string{"http: server gave HTTP response to HTTPS client", "x509: certificate signed by unknown authority"},
		Cause:    "The directory is named like the host in image names, with its port. registry.local does not answer for registry.local:5000. There are no patterns and no paths.",
		Fix:      "Name it `registry.local:5000`.",
		Releases: "all",
		Links:    []string{"k3s#10613", "k3s#10358", "containerd#4938"},
	},
	{
		ID: "DIR002", Title: "A name that no registry has, or a file in place of a directory", Severity: S3, Told: FromFiles,
		Errors:   []string{"certs.d/…: not a directory"},
		Cause:    "Directories are named host or host:port: no scheme, no path, no upper case in what the images have in lower case. Host directories inside host directories are never read. A file there fails the pulls of that registry.",
		Fix:      "Rename it.",
		Releases: "all",
		Links:    []string{"harbor#18530"},
	},
	{
		ID: "DIR003", Title: "Both `host:port` and `host_port_`", Severity: S3, Told: FromFiles,
		Cause:    "containerd takes the first that exists, host_port_, and never looks into the other.",
		Fix:      "Keep one.",
		Releases: "all",
	},
	{
		ID: "DIR004", Title: "`_default` before 1.6.17", Severity: S3, Told: FromFiles,
		Cause:    "The directory is not looked for.",
		Fix:      "Upgrade, or name every registry.",
		Releases: "1.5, 1.6.0 to 1.6.16",
		Links:    []string{"containerd#8053"},
	},
	{
		ID: "DIR005", Title: "A host directory without a file that counts", Severity: S3, Told: FromFiles,
		Cause:    "The first directory that exists is used, even an empty one. It means the upstream with the system's certificates, and hides `_default`.",
		Fix:      "Remove the directory.",
		Releases: "all",
	},
	{
		ID: "DIR006", Title: "`config_path` is no directory", Severity: S4, Told: FromFiles,
		Errors:   []string{"…: not a directory", "failed to resolve reference …: not a directory"},
		Cause:    "When it is a file, every pull of the node fails. When it is not there, or a link to nowhere, no host directory is read.",
		Fix:      "Make the directory, or correct `config_path`.",
		Releases: "all",
	},
	{
		ID: "DIR007", Title: "Somebody else writes here", Severity: Advice, Told: FromFiles,
		Cause:    "Spegel clears the directory when its pod starts; k3s, RKE2, Dragonfly and nodeadm write their files anew.",
		Fix:      "Change the settings of the owner.",
		Releases: "all",
		Links:    []string{"spegel#413", "spegel#679", "spegel#170", "dragonfly#3082"},
	},
	{
		ID: "DIR008", Title: "Docker Hub under another name than docker.io", Severity: S3, Told: FromFiles,
		Errors:   []string{"toomanyrequests: You have reached your pull rate limit"},
		Cause:    "`nginx` and `docker.io/library/nginx` are looked up as docker.io. A directory registry-1.docker.io or index.docker.io answers for nobody.",
		Fix:      "Rename it to docker.io.",
		Releases: "all",
		Links:    []string{"containerd#8614", "k8s-operator#847"},
	},
}
