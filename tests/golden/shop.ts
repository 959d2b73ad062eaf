/** What an article looks like. */
export const Colour = { RED: "red", DARK_GREEN: "dark green" } as const;
export type Colour = (typeof Colour)[keyof typeof Colour];

/** An order *\/ as it was placed. */
export interface Order {
  id: UUID;
  article: UUID;
  count: number;
  placed: Date;
  price: Decimal;
}

const Order$: $Codec = { fields: { placed: "date" } };

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

export interface AddPhotoArgs {
  article: UUID;
  photo: KontractUpload;
}

/**
 * Show an article.
 *
 * @group default
 */
export function addPhoto(args: AddPhotoArgs, options?: FileOptions): Promise<null> {
  return __kontract_rpc({ name: "add_photo", files: ["photo"] }, args, options);
}

export interface GetInvoiceArgs {
  order: UUID;
}

/**
 * Return the invoice of an order.
 *
 * @group default
 */
export function getInvoice(args: GetInvoiceArgs, options?: FileOptions): Promise<KontractDownload> {
  return __kontract_download({ name: "get_invoice", isReadOnly: true, hasGet: true }, args, options);
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
export function listOrders(args?: ListOrdersArgs, options?: ReadOptions): Promise<Order[]> {
  return __kontract_rpc({ name: "list_orders", isReadOnly: true, hasGet: true, result: { list: () => Order$ } }, args, options);
}

export interface PlaceOrderArgs {
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
export function placeOrder(args: PlaceOrderArgs, options?: WriteOptions): Promise<Order> {
  return __kontract_rpc({ name: "place_order", result: () => Order$, errors: { out_of_stock: OutOfStock } }, args, options);
}

/**
 * Yield orders as they come.
 *
 * @group default
 */
export function watchOrders(args?: { [name: string]: never }, options?: StreamOptions): AsyncGenerator<Order, void, undefined> {
  return __kontract_stream({ name: "watch_orders", isReadOnly: true, result: () => Order$ }, args, options);
}

const $functions = {
  addPhoto,
  getInvoice,
  listOrders,
  placeOrder,
  watchOrders,
};

/** All functions, which call with a client's own options. */
export type KontractClient = typeof $functions & KontractEvents & { readonly batch: typeof batch };

/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options: ClientOptions): KontractClient {
  const client = $makeClient(options);
  const batch: KontractClient["batch"] = (makeCalls, more) => $batch(client, makeCalls, more);
  return { ...$bind($functions, client), ...$bindEvents(client), batch };
}
