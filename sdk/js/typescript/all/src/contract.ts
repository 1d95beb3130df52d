// The types of `wit/types.wit`, which say what each field means. An absent value is `null`.

/** Texts by name. */
export type Labels = [name: string, value: string][];

export type Device = "smart-tv" | "set-top-box" | "console" | "mobile" | "tablet" | "desktop" | "other";

export interface Avail {
  id: string;
  /** Seconds, as all times and lengths. */
  start: number;
  duration: number;
  kind: "replace" | "insert";
  position: "pre-roll" | "mid-roll" | "post-roll";
  closed: boolean;
  metadata: Labels;
}

export interface LocalTime {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  /** 1 is Monday. */
  weekday: number;
  epoch: number;
}

export interface Request {
  tenant: string;
  channel: string;
  geo: string;
  device: Device;
  sessionId: string | null;
  params: Labels;
  labels: Labels;
  avail: Avail;
  now: LocalTime;
  /** Only its upper 53 bits are exact: QuickJS rounds it to a number. */
  seed: number;
}

export interface Candidate {
  id: string;
  campaign: string | null;
  category: string | null;
  duration: number;
  priority: number;
  cpm: number;
  score: number;
  seen: number;
  labels: Labels;
}
