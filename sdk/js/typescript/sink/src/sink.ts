// The types of `wit/sink.wit`, which says what they mean.

import type { Device } from "./contract.ts";

export interface Event {
  id: string;
  eventType: string;
  time: number;
  received: number;
  tenant: string;
  channel: string | null;
  session: string;
  viewer: string | null;
  avail: string;
  podPosition: number;
  ad: string | null;
  campaign: string | null;
  device: Device;
  geo: string;
  countedBy: "segment" | "client" | "stitch" | "api" | null;
  traffic: "valid" | "bot" | "data-centre";
  price: number;
  errorCode: number | null;
  value: number | null;
  more: string | null;
}

export interface OutboundRequest {
  method: "GET" | "POST" | "PUT" | "PATCH";
  url: string;
  headers: [name: string, value: string][];
  body: string;
}

export interface Sink {
  deliver(events: Event[]): OutboundRequest[];
}
