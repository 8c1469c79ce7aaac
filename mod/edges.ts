/**
 * The real edges, over Deno's own API.
 *
 * @module
 */
export { clock } from "./edge_clock.ts";
export { watchDevices } from "./edge_devices.ts";
export { files } from "./edge_files.ts";
export { programs } from "./edge_programs.ts";
export { sockets } from "./edge_sockets.ts";
