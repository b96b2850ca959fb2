package kubespray

// TagDoes says, a line each, what a run of cluster.yml with --tags=containerd does on
// a node besides writing registries. Found by ansible-playbook --list-tasks and by
// running the role of every line; see also issues 9019 and 10270 of Kubespray.
func (p Profile) TagDoes() []string {
	with := "containerd"
	if p.Containerd != "" {
		with += " " + p.Containerd
	}
	all := []string{
		"installs " + with + ", runc, crictl and nerdctl as this checkout has them, and removes the distribution's runc",
		"fetches what it installs: without the internet or files_repo it fails before it writes anything",
	}
	if p.Auth != AuthOnly1x {
		all = append(all, "removes containerd packages of the distribution or of Docker")
	}
	if p.Bootstraps {
		all = append(all, "runs the whole role bootstrap-os: packages of the system, and the hostname becomes the inventory's name")
	}
	if p.NeverRestarts {
		all = append(all, "restarts nothing, whatever it wrote (issue 9019): Pullway restarts containerd where config.toml changed")
	} else {
		all = append(all, "restarts containerd on every node of a wave at once where its unit, version or config.toml changes; containers run on")
	}
	return append(all, "an undo brings back the files of containerd's configuration, and not what the play installed")
}
