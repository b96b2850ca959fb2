package cri

import (
	"context"
	"encoding/json"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// RegistryConfig is what CRI runs on, as it says itself. Credentials, of which
// containerd 1.x gives every one, are not taken out of its answer.
type RegistryConfig struct {
	// ConfigPath is registry.config_path as it was when the daemon started.
	ConfigPath string
}

// RegistryConfig asks CRI which registry settings it runs on. containerd 1.x tells
// (pkg/cri/server/status.go puts its whole configuration into the verbose status);
// 2.x tells of its runtime alone, and ok is false. So it is when CRI does not answer.
func (c *Client) RegistryConfig(ctx context.Context) (r RegistryConfig, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	s, err := c.runtime.Status(ctx, &runtimeapi.StatusRequest{Verbose: true})
	if err != nil {
		return r, false
	}
	return registryConfig(s.GetInfo()["config"])
}

// registryConfig reads it out of the configuration that CRI tells, in JSON.
func registryConfig(config string) (r RegistryConfig, ok bool) {
	var told struct {
		Registry *struct {
			ConfigPath *string `json:"configPath"`
		} `json:"registry"`
	}
	if json.Unmarshal([]byte(config), &told) != nil || told.Registry == nil || told.Registry.ConfigPath == nil {
		return r, false
	}
	return RegistryConfig{ConfigPath: oneLine(*told.Registry.ConfigPath)}, true
}
