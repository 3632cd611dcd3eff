// Command gitops-health reads objects as JSON, one a line, and prints for each one how tools judge it: the status of kstatus (Flux,
// cli-utils) and, with a Lua script of Argo CD, its health.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Kstatus string `json:"kstatus"`
	Argo    string `json:"argo"`
	Message string `json:"message"`
}

func main() {
	if len(os.Args) != 2 {
		fatal(fmt.Errorf("usage: gitops-health SCRIPT.lua < objects.jsonl"))
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		object := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &object); err != nil {
			fatal(err)
		}
		result, err := judge(object, string(script))
		if err != nil {
			fatal(err)
		}
		text, err := json.Marshal(result)
		if err != nil {
			fatal(err)
		}
		fmt.Println(string(text))
	}
	if err := lines.Err(); err != nil {
		fatal(err)
	}
}

func judge(object map[string]any, script string) (verdict, error) {
	computed, err := status.Compute(&unstructured.Unstructured{Object: numbers(object).(map[string]any)})
	if err != nil {
		return verdict{}, fmt.Errorf("kstatus: %w", err)
	}
	health, message, err := argo(object, script)
	return verdict{Kstatus: string(computed.Status), Argo: health, Message: message}, err
}

// argo runs the script as Argo CD does: the global obj is the object, and the script returns a table with status and message.
// Of the libraries Argo CD opens none by default but base, table and a safe os.
func argo(object map[string]any, script string) (health, message string, err error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", fmt.Errorf("the script: %w", err)
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script returned %s, not a table", state.Get(-1).Type())
	}
	return table.RawGetString("status").String(), table.RawGetString("message").String(), nil
}

func value(state *lua.LState, given any) lua.LValue {
	switch given := given.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, each := range given {
			table.RawSetString(key, value(state, each))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, each := range given {
			table.Append(value(state, each))
		}
		return table
	case string:
		return lua.LString(given)
	case float64:
		return lua.LNumber(given)
	case bool:
		return lua.LBool(given)
	default:
		return lua.LNil
	}
}

// numbers returns the value with whole numbers as int64, as the Kubernetes libraries decode them.
func numbers(given any) any {
	switch given := given.(type) {
	case map[string]any:
		result := make(map[string]any, len(given))
		for key, each := range given {
			result[key] = numbers(each)
		}
		return result
	case []any:
		result := make([]any, len(given))
		for at, each := range given {
			result[at] = numbers(each)
		}
		return result
	case float64:
		if whole := int64(given); float64(whole) == given {
			return whole
		}
		return given
	default:
		return given
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "gitops-health:", err)
	os.Exit(1)
}
