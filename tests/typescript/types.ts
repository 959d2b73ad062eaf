// What has to compile, and what must not: nothing here is run.

import * as api from "./client.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const answers: Same<ReturnType<typeof api.zooPut>, Promise<api.Cage>> = true;
export const enumeration: Same<api.Colour, "red" | "dark green"> = true;
export const moments: Same<api.Everything["moment"], Date> = true;
export const integers: Same<api.LabWideArgs["number"], bigint> = true;

export async function use(): Promise<void> {
  await api.zooEverything();
  await api.zooEverything({}, { signal: AbortSignal.timeout(1), asOf: 5 });
  // @ts-expect-error: an argument is missing
  await api.zooTree({});
  // @ts-expect-error: there is no such argument
  await api.zooTree({ root: { value: 1 }, leaf: 1 });
  // @ts-expect-error: options are no arguments
  await api.zooEverything({ signal: AbortSignal.timeout(1) });
  // @ts-expect-error: the tag of a union has to be there
  await api.zooPet({ pet: { name: "Tom" } });
  // @ts-expect-error: a call that may write has no past
  await api.zooPut({ cage: 1, pet: { kind: "cat", name: "Tom" } }, { asOf: 5 });
  // @ts-expect-error: a call that only reads needs no idempotency key
  await api.zooNothing({}, { idempotencyKey: "a" });
  // @ts-expect-error: a call that only reads needs no trial
  await api.dryRun(api.zooTree, { root: { value: 1 } });
  // @ts-expect-error: a stream is no promise
  await api.batch((b) => [api.zooCount({ to: 1 }, b)]);
  // @ts-expect-error: files do not go into a batch
  await api.batch((b) => [api.zooUpload({ photo: new Blob(), title: "" }, b)]);

  const [tree, cage] = await api.batch((b) => [api.zooTree({ root: { value: 1 } }, b), api.zooLook({ cage: 1 }, b)]);
  const settled: [PromiseSettledResult<number>, PromiseSettledResult<api.Cage | null>] = [tree, cage];
  void settled;

  const pet = await api.zooPet({ pet: { kind: "cat", name: "Tom" } });
  const lives: number = pet.kind === "cat" ? pet.lives : 0;
  void lives;
}

export function tell(error: unknown): string {
  if (error instanceof api.CageOccupied) return `${error.problem.cage} since ${error.problem.since.getTime()}`;
  if (error instanceof api.ZooClosed) return error.code satisfies "zoo_closed";
  return error instanceof api.KontractError ? error.code : "";
}
