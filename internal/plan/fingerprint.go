package plan

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/pullway/pullway/internal/config"
)

// fingerprint covers everything that Make depends on, and times only where they
// decide something. It is keyed with the node's own secret, because the desired
// state and the files hold passwords.
func fingerprint(o Observed, d config.Desired, opt Options) string {
	m := hmac.New(sha256.New, opt.Key)
	enc := json.NewEncoder(m)
	write := func(v any) { _ = enc.Encode(v) } // a hash takes every byte; the types have no failing parts
	write([]any{o.Running, o.Release, o.Unit, o.KillMode, o.ConfigFile, o.HostsDir, o.ConfigModes, o.ConfigLinks, o.ShadowedDirs, o.Manifest, o.Elsewhere, o.Loaded})
	for _, f := range o.Tree.Files {
		write([]any{f.Path, f.Data})
	}
	write(o.Hosts)
	write(d.ToWire())
	write([]any{opt.Overwrite, opt.Adopt, opt.Force, opt.Kubespray})
	return hex.EncodeToString(m.Sum(nil))[:32]
}
