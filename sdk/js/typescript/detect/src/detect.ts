// The types of `wit/detect.wit`, which says what they mean.

import type { Avail } from "./contract.ts";

export interface Signal {
  command: string;
  segmentationType: number | null;
  upid: string | null;
  upidType: number | null;
  segmentNum: number | null;
  segmentsExpected: number | null;
}

export interface Cue {
  at: number;
  kind: "out" | "continue" | "in" | "cancel" | "info";
  dialect: "cue-out" | "oatcls" | "scte35-tag" | "daterange" | "asset";
  id: string | null;
  duration: number | null;
  elapsed: number | null;
  signal: Signal | null;
}

export interface Window {
  live: boolean;
  start: number;
  end: number;
  boundaries: number[];
  cues: Cue[];
}

export interface Channel {
  breakInterval: number;
  breakDuration: number;
}

export interface Detect {
  detect(window: Window, known: Avail[], channel: Channel): Avail[];
}
