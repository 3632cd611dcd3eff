import { RECORD } from "./names";

/** Container to image, as they were before the pod was restored. What is none of the webhook's is empty. */
export function originalImages(
  annotations: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  try {
    const json: unknown = JSON.parse(annotations[RECORD.originalImages] ?? "{}");
    const images = Object.entries(json ?? {}).filter(([, image]) => typeof image === "string");
    return Object.fromEntries(images);
  } catch {
    return {};
  }
}
