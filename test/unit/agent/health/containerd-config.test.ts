import { CRIU_HANDLER } from "../../../../config/engines/criu";
import { runtimeOf } from "../../../../config/nodes";
import { renderRuntimeHandler } from "../../../../render/containerd";
import {
  readContainerdConfig,
  readRuntimeHandler,
  type ConfigFiles,
} from "../../../../agent/health/containerd-config";

const CONFIG = "/etc/containerd/config.toml";

const read = (files: Readonly<Record<string, string>>) => readContainerdConfig(CONFIG, filesOf(files));

function filesOf(files: Readonly<Record<string, string>>): ConfigFiles {
  return {
    read: async (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
      return text;
    },
    list: async (directory) =>
      Object.keys(files)
        .filter((path) => path.startsWith(`${directory}/`))
        .map((path) => path.slice(directory.length + 1))
        .toReversed(),
  };
}

const key = (value: boolean) =>
  `[plugins."io.containerd.cri.v1.runtime"]\nenable_experimental_restore_via_create = ${value}\n`;

test("returns defaults without a configuration", async () => {
  expect(await read({})).toEqual({});
});

test("reads the CRI's settings of version 3 and 2", async () => {
  const three = `version = 3
[plugins.'io.containerd.cri.v1.runtime']
enable_criu = false
enable_experimental_restore_via_create = true
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "nvidia"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.kata]
runtime_type = "io.containerd.kata.v2"`;
  const all = {
    enableCriu: false,
    restoreViaCreate: true,
    defaultHandler: "nvidia",
    defaultType: "io.containerd.runc.v2",
  };
  expect(await read({ [CONFIG]: three })).toEqual(all);
  expect(
    await read({ [CONFIG]: three.replaceAll("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri") }),
  ).toEqual(all);
});

test("reads imports in order, matches of a pattern by name; the last value wins", async () => {
  const files = {
    [CONFIG]: `imports = ["conf.d/*.toml", "/etc/last.toml"]\n${key(false)}`,
    "/etc/containerd/conf.d/10-a.toml": key(false),
    "/etc/containerd/conf.d/20-b.toml": key(true),
    "/etc/containerd/conf.d/30-c.toml.bak": key(false),
    "/etc/last.toml": "version = 3\n",
  };
  expect(await read(files)).toEqual({ restoreViaCreate: true });
  expect(await read({ ...files, "/etc/last.toml": key(false) })).toEqual({ restoreViaCreate: false });
});

test("stops at files that import each other", async () => {
  const files = {
    [CONFIG]: 'imports = ["/a.toml"]',
    "/a.toml": `imports = ["${CONFIG}", "/a.toml"]\n${key(true)}`,
  };
  expect(await read(files)).toEqual({ restoreViaCreate: true });
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
