// Signing in and out, for callers.
import { KontractProblem } from "./errors.js";
import { $unsigned } from "./auth_session.js";
/** Returns what signs a client in; `find` returns the client, whose options may change. */
export function $makeAuth(functions, session, find) {
    const own = () => ({ client: find(), hasNoKey: true });
    const open = (token) => $unsigned(find(), token);
    /** Signs in; with `asCaller`, as who calls already does. */
    const enter = (call, asCaller) => async (credentials, provider) => {
        const client = find();
        const options = open(asCaller ? await session.resume(client) : undefined);
        const args = { credentials, ...(provider === undefined ? {} : { provider }), cookie: session.usesCookie(client) };
        return session.signIn(client, () => call(args, options));
    };
    return {
        get principal() {
            return session.principal;
        },
        onChange: (listener) => session.listen(find(), listener),
        token: () => session.find(find()),
        async anonymous() {
            const client = find();
            const options = open(await session.resume(client));
            return session.signIn(client, () => functions.anonymous({ cookie: session.usesCookie(client) }, options));
        },
        register: enter(functions.register, true),
        login: enter(functions.login, false),
        link: enter(functions.link, true),
        merge: (sourceToken, { commit = false } = {}) => functions.merge({ source_token: sourceToken, commit }, own()),
        unmerge: (principal) => functions.unmerge({ principal }, own()),
        async refresh() {
            await session.resume(find(), true);
            return session.principal;
        },
        async logout(which = "this") {
            const client = find();
            try {
                const token = await session.resume(client);
                if (token === undefined)
                    return 0;
                const ended = await functions.logout({ which }, open(token));
                if (which !== "others")
                    await session.end(client);
                return ended;
            }
            catch (error) {
                if (!(error instanceof KontractProblem) || error.code !== "invalid_token")
                    throw error;
                await session.end(client); // it has ended already
                return 0;
            }
        },
        async password(oldPassword, newPassword) {
            const client = find();
            const options = open(await session.resume(client));
            const args = { old_password: oldPassword, new_password: newPassword, cookie: session.usesCookie(client) };
            return session.signIn(client, () => functions.password(args, options));
        },
        async me() {
            const token = await session.resume(find());
            return token === undefined ? null : functions.me({}, own());
        },
        sessions: () => functions.sessions({}, own()),
        revoke: (one) => functions.revoke({ session: one }, own()),
        requestReset: (email) => functions.requestReset({ email }, open()),
        reset: (token, newPassword) => functions.reset({ token, new_password: newPassword }, open()),
        requestVerification: () => functions.requestVerification({}, own()),
        verify: (token) => functions.verify({ token }, open()),
    };
}
