/** Removes the temporary directory of the run. */
module.exports = () => globalThis.removeTemporaryDirectory();
