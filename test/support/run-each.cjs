// Runs programs sequentially in one process, each in its own directory: `node run-each.cjs FILE FOLDER FILE FOLDER ...`. So
// Node.js starts and the frameworks are loaded (0.4 s) only once.
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
// An error in a promise of a program ends this process.
process.on("beforeExit", () => {
  process.stdout.write(`\n${JSON.stringify(failures)}`);
  process.exit(0);
});
