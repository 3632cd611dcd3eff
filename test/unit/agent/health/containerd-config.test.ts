import { CRIU_HANDLER } from "../../../../config/engines/criu";
import { runtimeOf } from "../../../../config/nodes";
import { renderRuntimeHandler } from "../../../../render/containerd";
import { readRuntimeHandler, type ConfigFiles } from "../../../../agent/health/containerd-config";

const CONFIG = "/etc/containerd/config.toml";

const read = (files: Readonly<Record<string, string>>) => readRuntimeHandler(CONFIG, "own", filesOf(files));

function filesOf(files: Readonly<Record<string, string>>): ConfigFiles {
  return {
    read: async (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
      return text;
    },
    list: async (directory) => {
      const below = Object.keys(files).filter((path) => path.startsWith(`${directory}/`));
      const names = below.map((path) => path.slice(directory.length + 1).split("/", 1)[0]!);
      return [...new Set(names)].toReversed();
    },
  };
}

const binary = (path: string, plugin = "io.containerd.cri.v1.runtime") =>
  `[plugins."${plugin}".containerd.runtimes.own.options]\nBinaryName = "${path}"\n`;

test("reads the CRI's settings of version 3 and 2", async () => {
  expect(await read({ [CONFIG]: binary("/a") })).toMatchObject({ binary: "/a" });
  expect(await read({ [CONFIG]: binary("/a", "io.containerd.grpc.v1.cri") })).toMatchObject({ binary: "/a" });
});

test("reads imports in order, matches of a pattern by name; the last value wins", async () => {
  const files = {
    [CONFIG]: `imports = ["conf.d/*.toml", "/etc/last.toml"]\n${binary("/0")}`,
    "/etc/containerd/conf.d/10-a.toml": binary("/10"),
    "/etc/containerd/conf.d/20-b.toml": binary("/20"),
    "/etc/containerd/conf.d/30-c.toml.bak": binary("/30"),
    "/etc/last.toml": "version = 3\n",
  };
  expect(await read(files)).toMatchObject({ binary: "/20" });
  expect(await read({ ...files, "/etc/last.toml": binary("/last") })).toMatchObject({ binary: "/last" });
});

test("imports are read after all files that import them", async () => {
  const files = {
    [CONFIG]: 'imports = ["/a.toml", "/b.toml"]',
    "/a.toml": `imports = ["/c.toml"]\n${binary("/a")}`,
    "/b.toml": binary("/b"),
    "/c.toml": binary("/c"),
  };
  expect(await read(files)).toMatchObject({ binary: "/c" });
});

describe("an import", () => {
  const found = async (pattern: string, ...paths: readonly string[]) => {
    const files = Object.fromEntries(paths.map((path) => [path, binary(path)]));
    return (await read({ [CONFIG]: `imports = [${JSON.stringify(pattern)}]`, ...files }))?.binary;
  };

  test.each([
    ["/x/*.toml", "/x/a.toml"],
    ["/x/*/y.toml", "/x/a/y.toml"],
    ["/x/[a-c]*.toml", "/x/b1.toml"],
    ["/x/[^a]?*", "/x/bcd"],
    [String.raw`/x/\**`, "/x/*a"],
    ["/x/a*b*c", "/x/a-b-b-c"],
  ])("%s matches %s", async (pattern, path) => {
    expect(await found(pattern, path)).toBe(path);
  });

  test.each([
    ["/x/*.toml", "/x/a.tom"],
    ["/x/*/y.toml", "/x/a/z.toml"],
    ["/x/[^a]*", "/x/ab"],
    ["/x/*?", "/x/"],
  ])("%s does not match %s", async (pattern, path) => {
    expect(await found(pattern, path)).toBeUndefined();
  });

  test("without a star is a path, whatever it has", async () => {
    expect(await found("/x/[a]?.toml", "/x/[a]?.toml")).toBe("/x/[a]?.toml");
  });

  test.each(["/x/[*", "/x/[]*", "/x/*[a-", "/x/*\\"])(
    "%s is rejected, as containerd does",
    async (pattern) => {
      await expect(found(pattern, "/x/a")).rejects.toThrow("is malformed");
    },
  );

  test("with many stars is compared in a time that grows with its length only", async () => {
    expect(await found(`/x/${"*a".repeat(100)}`, `/x/${"a".repeat(200)}b`)).toBeUndefined();
  });
});

test("stops at files that import each other", async () => {
  const files = {
    [CONFIG]: 'imports = ["/a.toml"]',
    "/a.toml": `imports = ["${CONFIG}", "/a.toml"]\n${binary("/a")}`,
  };
  expect(await read(files)).toMatchObject({ binary: "/a" });
});

test("reports errors without lines of the file", async () => {
  await expect(read({ [CONFIG]: 'imports = ["/gone.toml"]' })).rejects.toThrow("/gone.toml");
  const error = await read({ [CONFIG]: 'token = "secret-value\n' }).catch((thrown: Error) => thrown);
  expect((error as Error).message).toMatch(/^\/etc\/containerd\/config.toml is not TOML: /);
  expect((error as Error).message).not.toContain("secret-value");
});

test("reads a runtime handler of the node's configuration, with its imports", async () => {
  const { runtimeBinary } = runtimeOf("none");
  const text = renderRuntimeHandler(CRIU_HANDLER, { runtimeBinary });
  const own = { "/etc/containerd/config.toml": `imports = ["conf.d/*.toml"]\n${text}` };
  const handler = {
    binary: "/usr/local/bin/cedana-runc",
    podAnnotations: ["cedana.ai/*"],
    systemdCgroup: { own: true },
  };
  expect(await readRuntimeHandler(CONFIG, "cedana-criu", filesOf(own))).toEqual(handler);
  const other = `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'cedana-criu']\npod_annotations = []\n`;
  const imported = { ...own, "/etc/containerd/conf.d/a.toml": other };
  expect(await readRuntimeHandler(CONFIG, "cedana-criu", filesOf(imported))).toEqual({
    ...handler,
    podAnnotations: [],
  });
  const plugin = "plugins.'io.containerd.cri.v1.runtime'.containerd";
  const nvidia = `[${plugin}]\ndefault_runtime_name = "nvidia"\n[${plugin}.runtimes.nvidia.options]\nSystemdCgroup = false\n`;
  const driver = { ...own, "/etc/containerd/conf.d/a.toml": nvidia };
  expect(await readRuntimeHandler(CONFIG, "cedana-criu", filesOf(driver))).toEqual({
    ...handler,
    systemdCgroup: { own: true, default: false },
  });
  expect(await readRuntimeHandler(CONFIG, "other", filesOf(own))).toBeUndefined();
  expect(await readRuntimeHandler(CONFIG, "cedana-criu", filesOf({}))).toBeUndefined();
});
