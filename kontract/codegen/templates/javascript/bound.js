// Functions of a client of its own.
/** Returns the same functions, which call with this client. */
export function $bind(functions, client) {
    const bound = Object.entries(functions).map(([name, call]) => {
        const run = call;
        return [name, (args, options) => run(args, { ...options, client })];
    });
    return Object.fromEntries(bound);
}
