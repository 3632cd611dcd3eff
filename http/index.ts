/** HTTP for all clients of this project: one exchange, which reports whether a failed request was sent. */
export { refusedAddress, RefusedAddressError, type RefuseAddress } from "./addresses";
export { Deadline } from "./deadline";
export { messageOf, NoResponseError, RequestBodyError, type Outcome } from "./errors";
export { retryAfterMs } from "./retry-after";
export {
  exchange,
  open,
  readBody,
  type Content,
  type ExchangeOptions,
  type HttpRequest,
  type HttpResponse,
  isObject,
  type Json,
  type JsonObject,
} from "./exchange";
