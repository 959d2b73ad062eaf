/**
 * What an article looks like.
 * @enum {"red" | "dark green"}
 */
export const Colour = { RED: "red", DARK_GREEN: "dark green" };

/**
 * An order *\/ as it was placed.
 * @typedef {object} Order
 * @property {UUID} id
 * @property {UUID} article
 * @property {number} count
 * @property {Date} placed
 * @property {Decimal} price
 */

const Order$ = { fields: { placed: "date" } };

/**
 * @typedef {object} OutOfStockMembers
 * @property {number} left
 * @property {Date | null} again
 */

/**
 * There are not enough of this article.
 * @property {OutOfStockMembers} problem
 */
export class OutOfStock extends KontractProblem {
  static codec = { fields: { again: "date" } };
  name = "OutOfStock";
  code = "out_of_stock";
}

/**
 * Show an article.
 *
 * @group default
 * @param {object} args
 * @param {UUID} args.article
 * @param {KontractUpload} args.photo
 * @param {object} [options] - signal, timeout, retries, headers, onResponse, idempotencyKey
 * @returns {Promise<null>}
 */
export function addPhoto(args, options) {
  return __kontract_rpc({ name: "add_photo", files: ["photo"] }, args, options);
}

/**
 * Return the invoice of an order.
 *
 * @group default
 * @param {object} args
 * @param {UUID} args.order
 * @param {object} [options] - signal, timeout, retries, headers, onResponse, asOf
 * @returns {Promise<KontractDownload>}
 */
export function getInvoice(args, options) {
  return __kontract_download({ name: "get_invoice", isReadOnly: true, hasGet: true }, args, options);
}

/**
 * List orders, the latest first.
 *
 * @group api-v1
 * @param {object} [args]
 * @param {ISODate | null} [args.since]
 * @param {number} [args.limit=20]
 * @param {object} [options] - signal, timeout, retries, headers, onResponse, asOf, batch
 * @returns {Promise<Order[]>}
 */
export function listOrders(args, options) {
  return __kontract_rpc({ name: "list_orders", isReadOnly: true, hasGet: true, result: { list: () => Order$ } }, args, options);
}

/**
 * Order an article.
 *
 * It is sent at once.
 *
 * @group api-v1
 * @param {object} args
 * @param {UUID} args.article
 * @param {number} args.count
 * @param {Colour} [args.colour="red"]
 * @param {object} [options] - signal, timeout, retries, headers, onResponse, idempotencyKey, batch
 * @returns {Promise<Order>}
 * @throws {OutOfStock} There are not enough of this article.
 */
export function placeOrder(args, options) {
  return __kontract_rpc({ name: "place_order", result: () => Order$, errors: { out_of_stock: OutOfStock } }, args, options);
}

/**
 * Yield orders as they come.
 *
 * @group default
 * @param {object} [args]
 * @param {object} [options] - signal, timeout, retries, headers, onResponse, asOf
 * @returns {AsyncGenerator<Order, void, undefined>}
 */
export function watchOrders(args, options) {
  return __kontract_stream({ name: "watch_orders", isReadOnly: true, result: () => Order$ }, args, options);
}

const $functions = {
  addPhoto,
  getInvoice,
  listOrders,
  placeOrder,
  watchOrders,
};

/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options) {
  const client = $makeClient(options);
  const batch = (makeCalls, more) => $batch(client, makeCalls, more);
  return { ...$bind($functions, client), ...$bindEvents(client), batch };
}
