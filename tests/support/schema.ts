/**
 * Holds a value against a JSON schema, as far as the schemas of dist/schema/ go: a keyword that is not known
 * here is an error, so that none is passed over.
 *
 * @module
 */

interface Schema {
  readonly [keyword: string]: unknown;
}

const SAID = ["$schema", "title", "description"];

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

function isType(value: unknown, type: string): boolean {
  return typeOf(value) === type || (type === "number" && typeof value === "number");
}

/** Every fault, as `$.findings[3].level: ...`. */
export function schemaFaults(schema: unknown, value: unknown, where = "$"): string[] {
  const faults: string[] = [];
  const fault = (what: string) => faults.push(`${where}: ${what}`);
  const rules = schema as Schema;
  const object = typeOf(value) === "object" ? value as Record<string, unknown> : {};
  for (const [keyword, rule] of Object.entries(rules)) {
    switch (keyword) {
      case "type": {
        const types = [rule].flat() as string[];
        if (!types.some((type) => isType(value, type))) fault(`${typeOf(value)}, not ${types}`);
        break;
      }
      case "const":
        if (value !== rule) fault(`${value}, not ${rule}`);
        break;
      case "enum":
        if (!(rule as unknown[]).includes(value)) fault(`${value} is none of ${rule}`);
        break;
      case "pattern":
        if (typeof value === "string" && !new RegExp(rule as string).test(value)) {
          fault(`${value} does not match ${rule}`);
        }
        break;
      case "minLength":
        if (typeof value === "string" && value.length < (rule as number)) fault("too short");
        break;
      case "required":
        for (const name of rule as string[]) {
          if (!Object.hasOwn(object, name)) fault(`${name} is missing`);
        }
        break;
      case "properties":
        for (const [name, inner] of Object.entries(rule as Schema)) {
          if (Object.hasOwn(object, name)) {
            faults.push(...schemaFaults(inner, object[name], `${where}.${name}`));
          }
        }
        break;
      case "additionalProperties":
        for (const name of Object.keys(object)) {
          if (Object.hasOwn(rules["properties"] ?? {}, name)) continue;
          if (rule === false) fault(`${name} is not known`);
          else faults.push(...schemaFaults(rule, object[name], `${where}.${name}`));
        }
        break;
      case "items":
        if (!Array.isArray(value)) break;
        value.forEach((item, i) => faults.push(...schemaFaults(rule, item, `${where}[${i}]`)));
        break;
      case "anyOf": {
        const tries = (rule as unknown[]).map((inner) => schemaFaults(inner, value, where));
        if (tries.every((found) => found.length > 0)) faults.push(...tries.flat());
        break;
      }
      default:
        if (!SAID.includes(keyword)) throw new Error(`${where}: unknown keyword ${keyword}`);
    }
  }
  return faults;
}
