// Procedures that answer with a file.
import { $prepare } from "./calls.js";
import { $overNetwork, $send, $unexpected } from "./sending.js";
import { $Watch } from "./watch.js";
/** A file whose content comes when it is asked for, and once. The call's `timeout` is over; its `signal` is not. */
export class KontractDownload {
    contentType;
    filename;
    /** Bytes, where the server tells. */
    size;
    #response;
    #watch;
    constructor(response, watch) {
        const size = response.headers.get("Content-Length");
        this.contentType = response.headers.get("Content-Type") ?? "application/octet-stream";
        this.filename = $readFilename(response.headers.get("Content-Disposition") ?? "");
        this.size = size === null ? undefined : Number(size);
        this.#response = response;
        this.#watch = watch;
    }
    get stream() {
        if (this.#response.body === null)
            throw $unexpected(this.#response);
        return this.#response.body;
    }
    async blob() {
        return this.#read(this.#response.blob());
    }
    async bytes() {
        return new Uint8Array(await this.#read(this.#response.arrayBuffer()));
    }
    async text() {
        return this.#read(this.#response.text());
    }
    /** Ends the transfer. */
    cancel() {
        this.#watch.cancel();
        this.#watch.stop();
    }
    async #read(content) {
        try {
            return await $overNetwork(content);
        }
        catch (error) {
            throw this.#watch.explain(error);
        }
        finally {
            this.#watch.stop();
        }
    }
}
/** @internal */
export async function __kontract_download(procedure, args = {}, options = {}) {
    if (options.batch !== undefined)
        throw new TypeError(`${procedure.name} gives a file, which a batch cannot carry.`);
    const outgoing = $prepare(procedure, args, options, "*/*");
    const watch = new $Watch(options.signal, options.timeout ?? outgoing.client.timeout);
    try {
        return await $send(outgoing, watch, async (response) => new KontractDownload(response, watch));
    }
    finally {
        watch.disarm();
    }
}
/** Reads a Content-Disposition (RFC 6266), without the directories that a filename must not have. */
function $readFilename(disposition) {
    const extended = /filename\*=utf-8''([^;\s]+)/i.exec(disposition)?.[1];
    const quoted = /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1]?.replace(/\\(.)/g, "$1");
    const name = extended === undefined ? quoted : decodeURIComponent(extended);
    return name?.split(/[/\\]/).pop();
}
