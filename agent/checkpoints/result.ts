import type { NodeCheckpointStatus } from "../../api";
import { notRestored, type PushedImage } from "../archive";

/** What the status says of an image that was pushed. Its lists and texts keep to what the kind allows. */
export function resultOf({ image, digest, size, architecture, metadata }: PushedImage): NodeCheckpointStatus {
  const { baseImage, frozenMs, checkpointedAt } = metadata;
  return {
    image,
    digest,
    sizeBytes: size,
    architecture,
    baseImage: baseImage.digest === undefined ? baseImage.name : baseImage.reference,
    checkpointedTime: checkpointedAt.toISOString(),
    ...(frozenMs === undefined ? {} : { frozenMilliseconds: Math.round(frozenMs) }),
    notRestored: notRestored(metadata)
      .slice(0, 256)
      .map(({ code, message }) => ({ code, message: message.slice(0, 4096) })),
  };
}
