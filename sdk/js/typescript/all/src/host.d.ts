// What the host offers: `wit/host.wit`.

declare module "cuetone:extension/config@1.0.0" {
  const config: {
    /** JSON text. */
    get(): string;
  };
  export default config;
}

declare module "cuetone:extension/log@1.0.0" {
  const log: {
    log(level: "debug" | "info" | "warn" | "error", message: string): void;
  };
  export default log;
}

declare module "cuetone:extension/counters@1.0.0" {
  const counters: {
    /** `null` for a counter that does not exist or is not granted. */
    read(name: string): number | null;
  };
  export default counters;
}
