// What can go wrong in the encrypted channel.
import { KontractNetworkError } from "./errors.js";
/** The server did not prove its key, or what it sent was changed or cut off on its way. The call may have run. */
export class KontractChannelError extends KontractNetworkError {
    name = "KontractChannelError";
}
export function $forged(cause) {
    const detail = "A message of the encrypted channel is not authentic: something on the way made or changed it.";
    return new KontractChannelError(detail, "channel_not_authentic", { cause });
}
export function $cutOff() {
    const detail = "The answer ended before its final chunk. Part of it is missing; do not use it as a whole.";
    return new KontractChannelError(detail, "channel_truncated");
}
