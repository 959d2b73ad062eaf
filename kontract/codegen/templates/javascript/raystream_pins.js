// What a client of the encrypted channel is built with; kontract_compile writes it.
export function $hasChannel() {
    return true;
}
/** The server's name, its public keys, the current one first, and the suites that it takes, by preference. */
export const raystreamPins = { audience: "", keys: [], suites: [] };
