#!/usr/bin/env bash
# A string such as "0o644" that goes through cdk8s and kubectl becomes the number 420.
#
# Likely guess: cdk8s writes every string so that kubectl reads the same string.
# What happens: cdk8s quotes "0x1F", "0b11", "010" and "1_000", but writes "0o644" without quotes. It writes for YAML 1.1,
#   where this is a string. The decoder of kubectl and the API server reads most of YAML 1.1, and also octal numbers of
#   YAML 1.2.
# Versions: cdk8s 2.70.106, sigs.k8s.io/yaml v1.6.0 (the decoder of kubectl, kustomize and controller-runtime).
# Consequence: kubectl rejects an environment variable or a ConfigMap value such as a file mode ("cannot unmarshal number
#   into Go struct field ... of type string"), and in a field without a schema, as some custom resources have, the value changes
#   silently. Write the mode as "0644", which cdk8s quotes.
#
# Needs: bash, npm, Go 1.22 or newer. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm install --silent --no-fund --no-audit --prefix . cdk8s@2.70.106 constructs@10.4.2
cat > write.cjs << 'END'
const { ApiObject, App, Chart } = require("cdk8s");
const app = new App();
const data = { octal: "0o644", leadingZero: "0644", hexadecimal: "0x1F", underscore: "1_000" };
new ApiObject(new Chart(app, "chart"), "map", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "modes" }, data });
process.stdout.write(app.synthYaml());
END
node write.cjs > modes.yaml

cat > main.go << 'END'
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	text, err := os.ReadFile("modes.yaml")
	if err != nil {
		panic(err)
	}
	var object struct{ Data map[string]any }
	if err := yaml.Unmarshal(text, &object); err != nil {
		panic(err)
	}
	for _, key := range []string{"octal", "leadingZero", "hexadecimal", "underscore"} {
		fmt.Printf("%s: %T %v\n", key, object.Data[key], object.Data[key])
	}
}
END
cat > go.mod << 'END'
module octal

go 1.22

require sigs.k8s.io/yaml v1.6.0
END
go mod tidy > tidy.log 2>&1 || { cat tidy.log; exit 1; }

echo "cdk8s 2.70.106 writes:"
cat modes.yaml
echo "sigs.k8s.io/yaml v1.6.0 reads:"
go run . | tee read.txt
diff - read.txt << 'END'
octal: float64 420
leadingZero: string 0644
hexadecimal: string 0x1F
underscore: string 1_000
END
