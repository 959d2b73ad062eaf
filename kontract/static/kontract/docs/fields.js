// From a schema to the field for its values.
import { makeList, makeMap, makeObject, makeTuple, makeUnion } from "./composites.js";
import { makeAny, makeBoolean, makeChoice, makeConstant, makeNothing, makeNumber, makeText } from "./scalars.js";
import { listMembers, listValues, resolve } from "./schema.js";

/** Returns the field for a schema; see scalars.js for what a field has.  `outer.inside` are the types it is part of. */
export function makeField(given, outer) {
  const { schema, name } = resolve(given, outer.definitions);
  const context = { ...outer, inside: [...outer.inside, name] };
  const values = listValues(schema);
  if (values) return values.length === 1 ? makeConstant(values[0], schema, name) : makeChoice(values, schema, name);
  const members = listMembers(schema);
  if (members.length) return makeUnion(members, context);
  switch (schema.type) {
    case "string":
      return makeText(schema);
    case "integer":
    case "number":
      return makeNumber(schema);
    case "boolean":
      return makeBoolean();
    case "null":
      return makeNothing();
    case "array":
      return schema.prefixItems ? makeTuple(schema, context) : makeList(schema, context);
    case "object":
      return schema.properties ? makeObject(schema, name, context) : makeMap(schema, context);
    default:
      return makeAny();
  }
}
