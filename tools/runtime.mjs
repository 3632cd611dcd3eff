// Checks the Go module in runtime/: format, go vet, and all tests. The last line has their numbers.
//
//   --require   fails where Go is missing; else that is only reported
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const cwd = join(import.meta.dirname, "../runtime");
const go = (command, list) => spawnSync(command, list, { cwd, encoding: "utf8", maxBuffer: 256e6 });

if (go("go", ["version"]).error) {
  process.stderr.write("runtime: Go is missing, so its tests are skipped\n");
  process.exit(process.argv.includes("--require") ? 1 : 0);
}

let failed = 0;
function check(name, output) {
  if (output === "") return;
  failed += 1;
  process.stdout.write(`${name}:\n${output}\n`);
}

check("gofmt -l", go("gofmt", ["-l", "."]).stdout);
const vet = go("go", ["vet", "./..."]);
check("go vet", vet.status === 0 ? "" : vet.stderr);

// Without the cache: a test that fails now and then would keep its last result.
const { stdout, stderr, status } = go("go", ["test", "-count=1", "-json", "./..."]);
const events = stdout.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
const of = (action) => events.filter((event) => event.Action === action && event.Test !== undefined);
const key = ({ Package: path, Test: test }) => `${path} ${test}`;
const broken = new Set(of("fail").map(key));
for (const event of events)
  if (event.Action === "output" && broken.has(key(event))) process.stdout.write(event.Output);
for (const event of of("skip")) process.stdout.write(`skipped: ${key(event)}\n`);
failed += broken.size;
// A package that does not compile has no tests.
if (status !== 0 && broken.size === 0) check("go test", stderr === "" ? stdout.slice(-4000) : stderr);
process.stdout.write(`${of("pass").length} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
