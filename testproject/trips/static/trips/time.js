// Moments in words.

const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Returns how long ago a moment was: "3 minutes ago". */
export function sayAge(date, now = new Date()) {
  const seconds = Math.max(0, (now - date) / 1000);
  const [unit, size] = UNITS.find(([, each]) => seconds >= each) ?? [];
  return unit === undefined ? "just now" : relative.format(-Math.floor(seconds / size), unit);
}

export const sayDate = (date) => absolute.format(date);
