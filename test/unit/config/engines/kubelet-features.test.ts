import { checkKubeletFeatures, renderKubeletTable } from "../../../../config/engines/kubelet";

test("rejects what the table of features does not show as implemented", () => {
  expect(renderKubeletTable()).toMatchSnapshot();
  const use = { runtime: "containerd", gpu: "none" } as const;
  expect(checkKubeletFeatures(use)).toEqual([]);
  expect(checkKubeletFeatures({ ...use, runtime: "crio", gpu: "cuda" })).toEqual([]);
  expect(checkKubeletFeatures({ runtime: "kata", gpu: "tracing" }).map(({ path }) => path)).toEqual([
    ["runtime"],
    ["gpu"],
  ]);
});
