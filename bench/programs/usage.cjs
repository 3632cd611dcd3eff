// Preloaded into an untimed run: writes the resources that it used as JSON to the file USAGE.
const { writeFileSync } = require("node:fs");

process.on("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const usage = {
    megabytes: maxRSS / 1024,
    cpuMs: (userCPUTime + systemCPUTime) / 1000,
    modules: Object.keys(require.cache).length - 1,
  };
  writeFileSync(process.env.USAGE, JSON.stringify(usage));
});
