// Calls that run for their result and commit nothing.
/** Makes a writing call that commits nothing: `await dryRun(createUser, { name: "Ann" })`. */
export function dryRun(call, args, options = {}) {
    const trial = { ...options, isDryRun: true };
    return call(args, trial);
}
