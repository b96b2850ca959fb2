package doctor

const (
	unimplemented = "rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"
	toHosts       = "Move the settings to a hosts.toml in the host directory of each registry, delete the tables, then restart containerd. `pullway apply` does both, and undoes it when the node cannot pull."
)

// cfgStart are mistakes in config.toml over which containerd does not start, or
// starts without CRI.
var cfgStart = []Rule{
	{
		ID: "CFG001", Title: "`mirrors` beside `config_path`", Severity: S2, Told: FromFiles,
		Errors: []string{
			"`mirrors` cannot be set when `config_path` is provided",
			unimplemented, "unknown service runtime.v1alpha2.RuntimeService",
		},
		Cause:    "The merged configuration has both the old `registry.mirrors` tables and a `config_path`. containerd loads without its CRI plugin: `systemctl is-active containerd` says `active`, and no pod can start.",
		Fix:      toHosts,
		Releases: "1.5 and later",
		Links:    []string{"containerd#7844", "containerd#5306", "kubespray#9741", "kubespray#9716", "caren#364"},
	},
	{
		ID: "CFG002", Title: "`configs.*.tls` beside `config_path`", Severity: S2, Told: FromFiles,
		Errors:   []string{"`configs.tls` cannot be set when `config_path` is provided"},
		Cause:    "1.x refuses a `registry.configs.HOST.tls` table once `config_path` is set, even an empty one, and runs without CRI.",
		Fix:      "Put `ca`, `client` and `skip_verify` into hosts.toml and delete the tls tables.",
		Releases: "1.5 to 1.7; 2.0 and later ignore the table instead (CFG023)",
		Links:    []string{"http://www.mynw.cn/network/18147.html"},
	},
	{
		ID: "CFG003", Title: "`mirrors` on 2.2.0 and 2.2.1, which set a `config_path` by themselves", Severity: S2, Told: FromFiles,
		Errors:   []string{"`mirrors` cannot be set when `config_path` is provided"},
		Cause:    "These two releases put their built-in `config_path` into the configuration before they check it, also over an explicit `config_path = \"\"` of a file of version 2. `mirrors` alone then costs CRI.",
		Fix:      "Upgrade to 2.2.2 or later, or move the mirrors to hosts.toml.",
		Releases: "2.2.0 and 2.2.1",
		Links:    []string{"containerd#12612", "cks#93"},
	},
	{
		ID: "CFG004", Title: "CRI is disabled", Severity: S2, Told: FromFiles,
		Errors: []string{
			unimplemented, "unknown service runtime.v1alpha2.RuntimeService",
			"invalid disabled plugin URI \"…\" expect io.containerd.x.vx",
		},
		Cause:    "`disabled_plugins` names CRI, as the configuration of Docker's own package does. In a file of version 2 and later the short name `cri` is no plugin URI, and containerd does not start over it.",
		Fix:      "Take it out of `disabled_plugins` and restart containerd.",
		Releases: "all",
		Links:    []string{"containerd#4581", "containerd#14121", "containerd#10905"},
	},
	{
		ID: "CFG005", Title: "The file's `version` is newer than containerd reads", Severity: S1, Told: FromFiles,
		Errors: []string{
			"unsupported config version `…`", "expected containerd config version equal to or less than `…`, got `…`",
		},
		Cause:    "1.x reads versions 1 and 2, 2.0 to 2.2 up to 3, 2.3 and later up to 4. A newer one stops containerd; 1.6 before 1.6.32 and 1.7 before 1.7.17 start and ignore the newer tables.",
		Fix:      "Write the file in a version that the running release reads, or upgrade containerd first.",
		Releases: "all",
		Links:    []string{"containerd#9198", "containerd#10165", "containerd#10234"},
	},
	{
		ID: "CFG006", Title: "A drop-in of another `version` than the root file", Severity: S3, Told: FromFiles,
		Errors:   []string{"drop-in config version … higher than root config version …"},
		Cause:    "2.0 to 2.2 merge first and migrate once, so that the CRI settings of one of the files are lost. 2.3.0 to 2.3.4 refuse a drop-in of a higher version and do not start.",
		Fix:      "Write the root file and all drop-ins in the same version.",
		Releases: "2.0 to 2.3.4",
		Links:    []string{"eks-ami#2252"},
	},
	{
		ID: "CFG007", Title: "Not valid TOML, or a setting of the wrong type", Severity: S1, Told: FromFiles,
		Errors: []string{
			"failed to unmarshal TOML at row … column …", "failed to load TOML", "(…): was expecting token",
			"strict mode: fields in the document are missing in the target struct", "incompatible types: TOML value has type",
		},
		Cause:    "containerd decodes a plugin's whole table before anything else. One wrong type or a stray quote, and the daemon exits; systemd starts it again and again.",
		Fix:      "Repair the place. `containerd -c FILE config dump` of the node's own binary shows whether it reads the file.",
		Releases: "all",
		Links:    []string{"containerd#8053"},
	},
	{
		ID: "CFG008", Title: "`imports` names a file that is not there", Severity: S1, Told: FromFiles,
		Errors:   []string{"failed to load TOML: …: open …: no such file or directory", "containerd: open …: no such file or directory"},
		Cause:    "A file that `imports` names without a pattern must exist. `config dump` of 2.x does not tell: it ends with 0.",
		Fix:      "Make the file, or import a pattern such as /etc/containerd/conf.d/*.toml, which may match nothing.",
		Releases: "all",
	},
	{
		ID: "CFG027", Title: "A `registry.auths` key that is no URL", Severity: S2, Told: FromFiles,
		Errors:   []string{"failed to parse registry url \"…\" from `registry.auths`"},
		Cause:    "The keys of `registry.auths` are parsed as URLs. One that cannot be parsed costs CRI; `host:5000` is taken for a scheme and never used.",
		Fix:      "Write the key with http:// or https://.",
		Releases: "all",
	},
}
