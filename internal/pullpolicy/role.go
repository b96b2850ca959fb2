package pullpolicy

// Role is the ClusterRole with the rights that a freeze and a restore need. With
// patch alone nothing can be created: the requests name the uid of what they change.
const Role = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: pullway-policy
rules:
  - apiGroups: [apps]
    resources: [deployments, statefulsets, daemonsets, replicasets]
    verbs: [get, list, patch]
  - apiGroups: [batch]
    resources: [cronjobs]
    verbs: [get, list, patch]
  - apiGroups: [batch]
    resources: [jobs]
    verbs: [get, list]
  - apiGroups: [""]
    resources: [pods]
    verbs: [get, list]
  - apiGroups: [""]
    resources: [nodes]
    verbs: [list]
  - apiGroups: [policy]
    resources: [poddisruptionbudgets]
    verbs: [list]
`
