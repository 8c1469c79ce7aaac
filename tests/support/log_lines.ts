/**
 * Lines of the log, held against the table of events.
 *
 * @module
 */
import assert from "node:assert/strict";
import { COMMON, type EventName, EVENTS, type FactName, FACTS } from "../../mod/events.ts";

const TYPES = {
  string: (value: unknown) => typeof value === "string",
  number: (value: unknown) => typeof value === "number" && Number.isFinite(value),
  boolean: (value: unknown) => typeof value === "boolean",
  strings: (value: unknown) =>
    Array.isArray(value) && value.every((item) => typeof item === "string"),
};

/** Fails unless a line is of a kind that the table has, with facts that this kind has, each of its type. */
export function assertFacts({ event, ...facts }: Readonly<Record<string, unknown>>): EventName {
  assert.ok(Object.hasOwn(EVENTS, String(event)), `no such event: ${event}`);
  const name = event as EventName;
  const known: readonly string[] = [...EVENTS[name].facts, ...COMMON];
  for (const [fact, value] of Object.entries(facts)) {
    assert.ok(known.includes(fact), `${name} has no fact ${fact}`);
    assert.ok(TYPES[FACTS[fact as FactName].type](value), `${name}: ${fact} is ${value}`);
  }
  return name;
}

/** Parses a line of the json form, and holds it against the table. */
export function parseJsonLine(line: string): Record<string, unknown> {
  const object = JSON.parse(line);
  const { time, uptime_seconds, level, message, ...facts } = object;
  assert.equal(new Date(time).toISOString(), time);
  assert.ok(Number.isInteger(uptime_seconds) && uptime_seconds > 0, line);
  assert.ok(["info", "warning", "error"].includes(level), line);
  assert.equal(typeof message, "string", line);
  assertFacts(facts);
  return object;
}
