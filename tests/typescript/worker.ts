// What runs in a worker, where there is no document.

import * as api from "./client.ts";

void api.zooTree({ root: { value: 3 } }).then((sum) => globalThis.postMessage(sum === 3));
