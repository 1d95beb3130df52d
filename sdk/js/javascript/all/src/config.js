// Reads what the tenant wrote under `config:`. Everything can be wrong there, so each field says what it has to be.

/** From the JSON text of the host; `null` stands for no configuration. */
export function parse(json) {
  const config = JSON.parse(json) ?? {};
  if (typeof config !== "object" || Array.isArray(config)) throw new Error("config: must be a map of settings");
  return config;
}

/** The field's value, `undefined` if it is not there. `kind` is one of those below. */
export function field(config, name, kind) {
  const value = config[name] ?? undefined;
  if (value !== undefined && !kind.fits(value)) throw new Error(`config: \`${name}\` must be ${kind.is}`);
  return value;
}

export const text = { is: "a text", fits: (value) => typeof value === "string" };
export const texts = { is: "a list of texts", fits: (value) => Array.isArray(value) && value.every(text.fits) };
export const number = { is: "a number", fits: Number.isFinite };
export const count = { is: "a whole number, 0 or more", fits: (value) => Number.isInteger(value) && value >= 0 };
