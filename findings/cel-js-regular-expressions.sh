#!/usr/bin/env bash
# @marcbachmann/cel-js evaluates `matches` with JavaScript's regular expressions, cel-go and @bufbuild/cel with RE2's.
#
# Likely guess: libraries of CEL agree about `matches`, because the language names RE2 as its syntax. So a rule of a
#   CustomResourceDefinition or admission policy can be tested in Node before the API server evaluates it.
# What happens: cel-js rejects flags and named groups that the API server's library accepts, such as (?i). It accepts a lookahead, which the
#   API server rejects. `\A` and `\z` are letters for it: the result is another one, without an error.
# Version: @marcbachmann/cel-js 8.0.0, @bufbuild/cel 0.6.1, github.com/google/cel-go 0.26.0 (that of Kubernetes 1.34).
# Consequence: a check at synthesis passes rules that the API server rejects, rejects valid ones, and can decide differently. Evaluate
#   `matches` with RE2, or do not offer it.
#
# Needs: bash, Node 20.19 or newer with npm, Go 1.23 or newer. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

printf '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --save-exact @marcbachmann/cel-js@8.0.0 @bufbuild/cel@0.6.1
go mod init finding > /dev/null 2>&1
go get github.com/google/cel-go@v0.26.0 > get.log 2>&1 || { cat get.log; exit 1; }

cat > expressions << 'END'
'ABC'.matches('(?i)abc')
'a'.matches('(?P<one>a)')
'ab'.matches('a(?=b)')
'a'.matches(r'\Aa\z')
END

cat > main.go << 'END'
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
)

func result(env *cel.Env, text string) string {
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return "error"
	}
	program, err := env.Program(ast)
	if err != nil {
		return "error"
	}
	value, _, err := program.Eval(map[string]any{})
	if err != nil {
		return "error"
	}
	return fmt.Sprint(value)
}

func main() {
	env, err := cel.NewEnv()
	if err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(result(env, lines.Text()))
	}
}
END

cat > main.js << 'END'
import { readFileSync } from "node:fs";
import { evaluate } from "@marcbachmann/cel-js";
import { celEnv, parse, plan } from "@bufbuild/cel";

const libraries = { "cel-js": (text) => evaluate(text, {}), bufbuild: (text) => plan(celEnv(), parse(text))({}) };
const run = libraries[process.argv[2]];
for (const text of readFileSync("expressions", "utf8").trim().split("\n")) {
  let value;
  try {
    value = run(text);
  } catch {}
  // A failed evaluation of @bufbuild/cel is a value.
  console.log(typeof value === "boolean" ? String(value) : "error");
}
END

go mod tidy > tidy.log 2>&1 || { cat tidy.log; exit 1; }
go run . < expressions > go.out
node main.js bufbuild > bufbuild.out
node main.js cel-js > js.out
{
  printf 'expression|cel-go|@bufbuild/cel|cel-js\n'
  paste -d'|' expressions go.out bufbuild.out js.out
} | column -t -s'|' | tee result
paste -d' ' go.out bufbuild.out js.out | diff - <(printf '%s\n' 'true true error' 'true true error' 'error error true' 'true true false')
echo "unchanged"
