#!/usr/bin/env bash
# Kustomize's namePrefix renames resourceNames in RBAC rules about other kinds, if any ConfigMap of the build has that name.
#
# Likely guess: `namePrefix` changes `resourceNames: [app]` only in rules about the kind of the object that it renames, or in none.
# What happens: a rule about Leases, or about a custom resource, gets the new name as soon as the build has a ConfigMap `app`. A
#   Deployment of the same name has no such effect: its rule keeps the old name, although the Deployment is renamed.
# Version: sigs.k8s.io/kustomize/kustomize/v5 v5.7.1.
# Consequence: a program whose Lease has a fixed name, from a flag or its settings, loses the permission to update it, and
#   never leads. `kustomize build` and `kubectl apply` report nothing. And a rule that names a Deployment still names the old one.
#   Give names in rules a form that no ConfigMap or Secret of the install has.
#
# Needs: bash, Go 1.23 or newer. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

GOBIN=$folder GOFLAGS=-mod=mod go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1 2> install.log || { cat install.log; exit 1; }
./kustomize version

# build NAME: prints the names in the rules of an install whose ConfigMap has this name.
build() {
  mkdir -p "$1"
  cat > "$1/objects.yaml" << END
apiVersion: v1
kind: ConfigMap
metadata: { name: $1 }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: worker }
spec:
  selector: { matchLabels: { app: worker } }
  template:
    metadata: { labels: { app: worker } }
    spec: { containers: [{ name: worker, image: worker }] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: leader }
rules:
  - { apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [elected], verbs: [update] }
  - { apiGroups: [apps], resources: [deployments], resourceNames: [worker], verbs: [patch] }
END
  printf 'resources: [objects.yaml]\nnamePrefix: team-\n' > "$1/kustomization.yaml"
  ./kustomize build "$1" | grep -A1 resourceNames: | grep -o '[^ ]*$' | grep -v -e resourceNames -e '^--$' | paste -sd' '
}

printf 'ConfigMap "settings": leases, deployments: %s\n' "$(build settings)" | tee result
printf 'ConfigMap "elected":  leases, deployments: %s\n' "$(build elected)" | tee -a result
diff result - << 'END'
ConfigMap "settings": leases, deployments: elected worker
ConfigMap "elected":  leases, deployments: team-elected worker
END
echo "unchanged"
