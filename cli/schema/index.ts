export { platformJsonSchema } from "./json-schema";
export { propertyTables } from "./property-table";
