/** Objects that follow the API server: one list and watch per kind and scope in a process. */
export { Cache, CachedObjects, type CacheOptions, type DeniedList, type Informer, type Scope } from "./cache";
export { Reflector, type Denial, type ReflectorOptions } from "./reflector";
export { Store, type Change, type Index, type Objects } from "./store";
