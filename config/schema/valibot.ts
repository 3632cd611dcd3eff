/**
 * Re-exports valibot. tsc copies all 320 names of a CommonJS module at each import by namespace, but not those of a
 * compiled ES module: without this file the library loads 14 % slower.
 */
export * from "valibot";
