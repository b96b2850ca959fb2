package doctor

const failsOpen = "Only an error in the log tells. containerd then asks the upstream directly with the system's certificates: a mirror, a CA or an air gap silently vanish."

// hstRead are mistakes over which containerd throws a hosts.toml away, or ignores
// a part of it.
var hstRead = []Rule{
	{
		ID: "HST001", Title: "A key that containerd does not know", Severity: S3, Told: FromFiles,
		Errors:   []string{"http: server gave HTTP response to HTTPS client", "x509: certificate signed by unknown authority"},
		Cause:    "Unknown keys are ignored without a word: `plain_http`, `insecure`, `insecure_skip_verify`, `tls`, `endpoint`, `username`, `password`, `proxy`, `timeout`. The same goes for `dial_timeout` before 2.0.7.",
		Fix:      "The keys are server, capabilities, ca, client, skip_verify, header, override_path and dial_timeout. Plain HTTP is written as the URL's scheme.",
		Releases: "all",
		Links:    []string{"containerd#7385", "containerd#7043", "https://www.spiritysdx.top/20250512-containerd-http-registry/"},
	},
	{
		ID: "HST002", Title: "hosts.toml does not parse, or has a value of the wrong type", Severity: S3, Told: FromFiles,
		Errors: []string{
			"failed to decode …hosts.toml", "failed to parse TOML: (…): was expecting token", "failed to decode hosts.toml",
			"unknown capability …", "invalid type … for \"client\"",
		},
		Cause:    "The whole file is discarded. " + failsOpen,
		Fix:      "Repair the place that is named.",
		Releases: "all",
		Links:    []string{"containerd#10144", "containerd#10027"},
	},
	{
		ID: "HST003", Title: "No `[host]` table", Severity: S3, Told: FromFiles,
		Errors:   []string{"failed to decode hosts.toml …: invalid `host` tree", "invalid `host` tree"},
		Cause:    "A file with a `server` and no host table is discarded. " + failsOpen,
		Fix:      "Add an empty `[host]` line at the end, or upgrade to 1.7.32.",
		Releases: "1.5, 1.6, and 1.7 up to 1.7.31",
		Links:    []string{"containerd#10027", "k3s#9839", "rke2#5658"},
	},
	{
		ID: "HST009", Title: "`override_path` on containerd 1.5", Severity: S3, Told: FromFiles,
		Cause:    "The key came with 1.6.0. 1.5 ignores it and adds /v2 to the path.",
		Fix:      "Upgrade, or use a mirror without a path.",
		Releases: "1.5",
	},
	{
		ID: "HST011", Title: "The capability `referrers` before 2.2", Severity: S3, Told: FromFiles,
		Errors:   []string{"unknown capability referrers", "unknown capability … referrers"},
		Cause:    "An older release discards the whole file over it. " + failsOpen,
		Fix:      "Leave `referrers` out.",
		Releases: "before 2.2.0",
	},
	{
		ID: "HST015", Title: "The file has another name than hosts.toml", Severity: S3, Told: FromFiles,
		Cause:    "containerd looks for hosts.toml only. In a directory without one, `*.crt` and `*.cert` files count.",
		Fix:      "Rename the file.",
		Releases: "all",
		Links:    []string{"containerd#7896"},
	},
	{
		ID: "HST017", Title: "`server` and its keys stand below a `[host]` line", Severity: S3, Told: FromFiles,
		Cause:    "In TOML a key belongs to the table line above it. `server` in a host table is ignored; in a header table any key is sent as an HTTP header.",
		Fix:      "Move it above the first `[host…]` line.",
		Releases: "all",
	},
	{
		ID: "HST018", Title: "Docker-style certificates beside a hosts.toml", Severity: S3, Told: FromFiles,
		Errors:   []string{"x509: certificate signed by unknown authority", "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		Cause:    "`*.crt` and `*.cert` files are read only when there is no hosts.toml, or one that does not parse.",
		Fix:      "Name the file: `ca = \"ca.crt\"`.",
		Releases: "all",
		Links:    []string{"containerd#7118", "containerd#5730"},
	},
	{
		ID: "HST020", Title: "Keys of modified containerds: rewrite, auth", Severity: S3, Told: FromFiles,
		Cause:    "`rewrite` is known to k3s and RKE2, `auth` to Deckhouse, `credential_helper` to nobody's release.",
		Fix:      "For a path: put it into the URL, with `override_path = true`. For a credential: an Authorization header, or a pull secret.",
		Releases: "all releases of the project itself",
		Links:    []string{"k3s#5502", "k3s#5568", "containerd#10540"},
	},
	{
		ID: "HST023", Title: "A host that is not a `[host.\"URL\"]` table", Severity: S3, Told: FromFiles,
		Cause:    "Inline tables and dotted keys: 2.x finds hosts by their table lines and ignores these; 1.x tries them in no fixed place.",
		Fix:      "Write `[host.\"URL\"]` on a line of its own.",
		Releases: "all, with different effects",
	},
	{
		ID: "HST024", Title: "A host's tables stand apart", Severity: Advice, Told: FromFiles,
		Cause:    "When another host stands between a host and its header table, 2.x tries the host twice.",
		Fix:      "Keep the tables of a host together.",
		Releases: "2.0 and later",
	},
	{
		ID: "HST025", Title: "Brackets or escapes in a table's name", Severity: S3, Told: FromFiles,
		Errors:   []string{"failed to parse TOML: (…)", "invalid `host` tree"},
		Cause:    "The TOML library of 1.x cannot read `[host.\"https://[fd00::1]:5000\"]` and discards the file. " + failsOpen,
		Fix:      "Use a host name in place of the IPv6 address.",
		Releases: "1.x",
		Links:    []string{"containerd#10055"},
	},
	{
		ID: "HST026", Title: "A key in mixed case", Severity: S3, Told: FromFiles,
		Cause:    "2.x takes keys in any case, 1.x in lower or upper case only; it ignores `Skip_Verify`.",
		Fix:      "Write keys in lower case.",
		Releases: "1.x ignores it",
	},
	{
		ID: "HST027", Title: "Keys directly under `[host]`, over which 1.x crashes", Severity: S1, Told: FromFiles,
		Errors:   []string{"interface conversion: interface {} is … not *toml.Tree"},
		Cause:    "1.x sorts the entries under `[host]` as tables; with a key among several of them containerd itself ends, at the first pull of that registry.",
		Fix:      "Move the keys above the `[host]` line.",
		Releases: "1.x",
	},
	{
		ID: "HST029", Title: "Capabilities of the root table without a `server`", Severity: S3, Told: FromFiles,
		Cause:    "Without `server` the root table's capabilities are replaced by all of them.",
		Fix:      "Set `server` too.",
		Releases: "all",
	},
}
