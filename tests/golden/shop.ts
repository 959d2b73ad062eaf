/** What it looks like. */
export const Colour = { RED: "red", DARK_GREEN: "dark green" } as const;
export type Colour = (typeof Colour)[keyof typeof Colour];

/** Has a moment *\/ and more. */
export interface Dated {
  a: number;
  at: Date;
  tags: string[];
}

const Dated$: $Codec = { fields: { at: "date" } };

export interface OutOfStockMembers {
  left: number;
  again: Date | null;
}

/** There are not enough of this article. */
export class OutOfStock extends KontractProblem<OutOfStockMembers> {
  static override readonly codec: $Codec = { fields: { again: "date" } };
  override readonly name = "OutOfStock";
  override readonly code = "out_of_stock";
}

export interface ListOrdersArgs {
  since?: ISODate | null | undefined;
  /** @default 20 */
  limit?: number | undefined;
}

/**
 * List orders, the latest first.
 *
 * @group api-v1
 */
export function listOrders(args?: ListOrdersArgs, options?: ReadOptions): Promise<Dated[]> {
  return __kontract_rpc({ name: "list_orders", isReadOnly: true, hasGet: true, result: { list: () => Dated$ } }, args, options);
}

export interface OrderArgs {
  article: UUID;
  count: number;
  /** @default "red" */
  colour?: Colour | undefined;
}

/**
 * Order an article.
 *
 * It is sent at once.
 *
 * @group api-v1
 * @throws {@link OutOfStock} There are not enough of this article.
 */
export function order(args: OrderArgs, options?: WriteOptions): Promise<Dated> {
  return __kontract_rpc({ name: "order", result: () => Dated$, errors: { out_of_stock: OutOfStock } }, args, options);
}

/**
 * Yield orders as they come.
 *
 * @group default
 */
export function watchOrders(args?: { [name: string]: never }, options?: StreamOptions): AsyncGenerator<Dated, void, undefined> {
  return __kontract_stream({ name: "watch_orders", isReadOnly: true, result: () => Dated$ }, args, options);
}

const $functions = {
  listOrders,
  order,
  watchOrders,
};

/** All functions, which call with a client's own options. */
export type KontractClient = typeof $functions & { readonly batch: typeof batch };

/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options: ClientOptions): KontractClient {
  const client = $makeClient(options);
  return { ...$bind($functions, client), batch: (makeCalls, more) => $batch(client, makeCalls, more) };
}
