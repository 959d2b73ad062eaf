// How requests go where the server has no encrypted channel.
import { $overNetwork } from "./sending.js";
export function $hasChannel() {
    return false;
}
/** Sends a request as it is. */
export async function $carry(client, url, init) {
    if (client.raystream !== false)
        throw new TypeError('This client has no encrypted channel: set up KONTRACT["RAYSTREAM"], and run kontract_compile again.');
    return $overNetwork(client.fetch(url.href, init));
}
