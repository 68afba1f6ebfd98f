//go:build tools

// Package tools names the programs that tools/deps builds from this module: a Kubernetes that manifests are applied to.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
