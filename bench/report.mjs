// Renders the page that `npm run bench` prints.

export function page({ machine, sections, notes }, shorten) {
  const lines = [
    `${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}; ${[...machine.nodes, machine.helm && `helm ${machine.helm}`].filter(Boolean).join(", ")}.`,
    `Medians of up to ${machine.rounds} interleaved rounds; ratios are medians of the ratios of each round, to the first line of a table.`,
  ];
  for (const { title, results, remarks = [] } of sections) {
    lines.push(
      "",
      `### ${title}`,
      "",
      "| | wall ms | ratio | cpu ms | MB | modules |",
      "| --- | ---: | ---: | ---: | ---: | ---: |",
    );
    for (const { name, medianMs, ratio, cpuMs, megabytes, modules } of results) {
      const cells = [
        medianMs.toFixed(0),
        ratio.toFixed(2),
        rounded(cpuMs),
        rounded(megabytes),
        rounded(modules),
      ];
      lines.push(`| ${name} | ${cells.join(" | ")} |`);
    }
    if (remarks.length > 0) lines.push("", ...remarks.map((remark) => `- ${remark}`));
  }
  if (notes.length > 0) lines.push("", ...notes.map((note) => `- ${note}`));
  lines.push("", "Commands:", "", "```sh");
  for (const { results } of sections) lines.push(...results.map(({ command }) => shorten(command)));
  lines.push("```", "");
  return lines.join("\n");
}

/** Returns the exponent of the growth of the time for ten times the input. */
export function exponent(tenfold, single) {
  return Math.log10(tenfold / Math.max(single, 1)).toFixed(2);
}

function rounded(value) {
  return value === undefined ? "" : value.toFixed(0);
}
