// JSON without loss: integers that a number of JavaScript cannot hold keep their digits.

/** The digits of a number. */
export class Digits {
  constructor(text) {
    this.text = text;
  }
}

/** Returns the value of a JSON text, with Digits for integers that are too large.  Throws SyntaxError. */
export function parse(text) {
  return JSON.parse(text, (_key, value, context) => {
    const isExact = typeof value !== "number" || !context?.source || Number.isSafeInteger(value);
    return isExact || !/^-?\d+$/.test(context.source) ? value : new Digits(context.source);
  });
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Returns a JSON text with a line for each value, every digit as it was; other text as it is. */
export function lay(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const tokens = text.match(TOKEN) ?? [];
  let depth = 0;
  let out = "";
  tokens.forEach((token, n) => {
    const next = tokens[n + 1];
    if (token === "{" || token === "[") {
      const isEmpty = next === "}" || next === "]";
      depth += 1;
      out += isEmpty ? token : `${token}\n${"  ".repeat(depth)}`;
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const isEmpty = tokens[n - 1] === "{" || tokens[n - 1] === "[";
      out += isEmpty ? token : `\n${"  ".repeat(depth)}${token}`;
    } else if (token === ",") out += `,\n${"  ".repeat(depth)}`;
    else out += token === ":" ? ": " : token;
  });
  return out;
}
