// Where a client keeps its refresh token.
const $HINT = "kontract_signed_in";
const $HINT_SECONDS = 90 * 86_400;
/** Returns the storage that a client's options say. */
export function $openVault(client) {
    const given = $readAuth(client).storage ?? ($canHaveCookie(client) ? "cookie" : "memory");
    if (given === "cookie")
        return { isCookie: true, isShared: true, storage: $makeHint() };
    if (given === "memory")
        return { isCookie: false, isShared: false, storage: $makeMemory() };
    return { isCookie: false, isShared: true, storage: given };
}
export function $readAuth(client) {
    return (client.auth ?? {});
}
function $canHaveCookie(client) {
    // The channel has no cookies; a worker has, but no token against CSRF, which a page reads from one.
    return globalThis.document !== undefined && client.raystream === false;
}
function $makeMemory() {
    let kept;
    return {
        load: () => kept,
        save: (token) => void (kept = token),
        clear: () => void (kept = undefined),
    };
}
/**
 * Notes whether the server's cookie may be there, in a cookie that says nothing else: so a page of somebody who has
 * never signed in asks the server nothing. In workers, which have no cookies, it is asked once.
 */
function $makeHint() {
    const { document, location } = globalThis;
    let mayBe = true;
    const note = (value, seconds) => {
        mayBe = seconds > 0;
        const safe = location?.protocol === "https:" ? "; secure" : "";
        if (document !== undefined)
            document.cookie = `${$HINT}=${value}; path=/; max-age=${seconds}; samesite=strict${safe}`;
    };
    return {
        load: () => ((document === undefined ? mayBe : document.cookie.includes(`${$HINT}=1`)) ? "" : undefined),
        save: () => note("1", $HINT_SECONDS),
        clear: () => note("", 0),
    };
}
