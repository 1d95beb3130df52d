// Reads what the tenant wrote under `config:`. Everything can be wrong there, so each field says what it has to be.

export type Config = Record<string, unknown>;

/** A type that a field can have. */
interface Kind<T> {
  is: string;
  fits: (value: unknown) => value is T;
}

/** From the JSON text of the host; `null` stands for no configuration. */
export function parse(json: string): Config {
  const config: unknown = JSON.parse(json) ?? {};
  if (typeof config !== "object" || Array.isArray(config)) throw new Error("config: must be a map of settings");
  return config as Config;
}

/** The field's value, `undefined` if it is not there. `kind` is one of those below. */
export function field<T>(config: Config, name: string, kind: Kind<T>): T | undefined {
  const value = config[name] ?? undefined;
  if (value !== undefined && !kind.fits(value)) throw new Error(`config: \`${name}\` must be ${kind.is}`);
  return value;
}

export const text: Kind<string> = {
  is: "a text",
  fits: (value) => typeof value === "string",
};
export const texts: Kind<string[]> = {
  is: "a list of texts",
  fits: (value): value is string[] => Array.isArray(value) && value.every(text.fits),
};
export const number: Kind<number> = {
  is: "a number",
  fits: (value): value is number => Number.isFinite(value),
};
export const count: Kind<number> = {
  is: "a whole number, 0 or more",
  fits: (value): value is number => Number.isInteger(value) && (value as number) >= 0,
};
