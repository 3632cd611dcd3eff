// Runs programs one after the other in one process, each in a folder of its own: `node run-each.cjs FILE FOLDER FILE FOLDER ...`.
// Node's start and the loading of the frameworks, 0.4 s, are paid once and not per program.
const [, , ...pairs] = process.argv;
const failures = {};
process.argv.length = 2;

for (let index = 0; index < pairs.length; index += 2) {
  const [file, folder] = pairs.slice(index, index + 2);
  process.chdir(folder);
  process.argv[1] = file;
  delete require.cache[require.resolve(file)];
  try {
    require(file);
  } catch (error) {
    failures[folder] = String(error?.stack ?? error);
  }
}
// What a program does later than that, in a promise, would end this process with an error of its own.
process.on("beforeExit", () => {
  process.stdout.write(`\n${JSON.stringify(failures)}`);
  process.exit(0);
});
