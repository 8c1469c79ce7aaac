/**
 * The model test: random sequences of disk, server and signal events against the real `run`, in a world
 * in memory. P1, P2 and P3 are held by the world itself; P8 is judged at the end.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Config, mergeSettings, parseConfig } from "../../mod/config.ts";
import { type Ending, exitCode, type Platform } from "../../mod/exit.ts";
import { ERRNO, type SignalName, SIGNALS } from "../../mod/linux.ts";
import { run } from "../../mod/run.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { Signals } from "../../mod/signals.ts";
import { FakeWorld, TARGET } from "../support/fake_world.ts";
import { prove, type Tally } from "../support/soak.ts";

/** As long as `mod/server.ts` waits for it. */
const SAME_SIGNAL_MS = 1000;
const ARGS = ["--path", `${TARGET}/restic`, "--no-auth"];
const WANTED = { path: "/dev/sda1", minor: 1, uuid: "wanted", label: "backup" };
const TWIN = { path: "/dev/sdb1", minor: 17, uuid: "wanted", label: "other" };
const DECOY = { path: "/dev/sdc1", minor: 33, uuid: "decoy", label: "wanted" };

/** The real run in its fake world, and what the events so far should lead to. */
class Simulation {
  readonly world = new FakeWorld();
  readonly signals = new Signals();
  readonly platform: Platform;
  ending: Ending | undefined;
  error: unknown;
  /** How a server ended other than by the signals it was sent. */
  ownEnd: { code: number; signal: SignalName | null } | undefined;
  /** Until when a stop counts that rest-server's clean end came before: it reaches the whole group. */
  graceMs = -Infinity;
  /** The first signal that asked for a stop. */
  stopped: SignalName | undefined;

  constructor(platform: Platform, waitSeconds: string, plugged: boolean) {
    this.platform = platform;
    if (plugged) this.world.plug(WANTED);
    const config: Config = parseConfig(
      mergeSettings({
        MNT_SOURCE: "UUID=wanted",
        MNT_TARGET: TARGET,
        MNT_STOP: "20",
        MNT_WAIT: waitSeconds,
      }),
      parseServerArgs(ARGS),
      "/",
    );
    run({
      config,
      args: ARGS,
      directory: "/",
      signals: this.signals,
      world: this.world.world(platform),
    }).then((ending) => this.ending = ending, (error) => this.error = error);
  }

  async afterEvent(): Promise<void> {
    await this.world.settle();
    assert.equal(this.error, undefined, String((this.error as Error)?.stack));
    this.world.check();
  }

  signal(name: SignalName): void {
    const inGrace = this.world.nowMs < this.graceMs && this.ending === undefined;
    const serving = this.world.liveServer !== undefined || inGrace;
    if (inGrace && (name === "SIGTERM" || name === "SIGINT")) this.ownEnd = undefined;
    const stops = name === "SIGTERM" || name === "SIGINT" || (name === "SIGQUIT" && !serving);
    if (stops && this.ending === undefined && this.ownEnd === undefined) this.stopped ??= name;
    if (name === "SIGQUIT" && this.world.liveServer?.stubborn === false) {
      if (this.stopped === undefined && !this.losing) this.ownEnd = { code: 2, signal: null };
    }
    this.signals.take(name, this.world.nowMs);
  }

  /** Whether the server that lives is being ended for the loss of its disk. */
  get losing(): boolean {
    return this.world.lostServers.has(this.world.liveServer?.pid ?? 0);
  }

  serverEnds(code: number, signal: SignalName | null): void {
    // Asked to stop, an exit with 0 is the clean end, whoever caused it.
    if (!this.losing && (this.stopped === undefined || code !== 0)) {
      this.ownEnd ??= { code, signal };
      if (code === 0) this.graceMs = this.world.nowMs + SAME_SIGNAL_MS;
    }
    this.world.liveServer?.end({ code, signal });
  }

  /** P7: once nothing is in the way, the disk is served, whatever was before. */
  async #comesBack(): Promise<void> {
    const { world } = this;
    letGo(this);
    world.mountErrors.length = 0;
    world.unplug(TWIN.path);
    const foreign = world.mounts.some((mount) => mount.foreign);
    if (foreign || this.ending !== undefined || this.stopped !== undefined) return;
    plugOnce(this, WANTED);
    for (let i = 0; i < 30 && world.liveServer === undefined; i++) await world.advance(5000);
    if (this.ending === undefined) assert.ok(world.liveServer, "P7: served again");
  }

  /** Stops what still runs and lets it end. */
  async finish(): Promise<number> {
    this.world.slowMount?.resolve();
    this.world.slowMount = undefined;
    await this.world.settle();
    await this.#comesBack();
    if (this.ending === undefined) this.signal("SIGTERM");
    for (let i = 0; i < 100 && this.ending === undefined; i++) await this.world.advance(10_000);
    await this.afterEvent();
    assert.ok(this.ending !== undefined, "P7: the run ends once it was told to");
    return exitCode(this.ending, this.platform);
  }
}

class Event implements fc.AsyncCommand<object, Simulation> {
  constructor(readonly name: string, readonly apply: (s: Simulation) => void | Promise<void>) {}
  check = () => true;
  async run(_model: object, simulation: Simulation): Promise<void> {
    await this.apply(simulation);
    await simulation.afterEvent();
  }
  toString = () => this.name;
}

const event = (name: string, apply: Event["apply"]) => fc.constant(new Event(name, apply));

function plugOnce(simulation: Simulation, disk: typeof WANTED): void {
  if (!simulation.world.disks.some(({ path }) => path === disk.path)) simulation.world.plug(disk);
}

function letGo({ world }: Simulation): void {
  world.holding = false;
  world.undead.clear();
}

/** Only on a free target; while mount(2) hangs nobody else gets in between. */
function mountForeign({ world }: Simulation, disk: typeof WANTED): void {
  const free = world.mounts.length === 0 && world.slowMount === undefined;
  if (free && world.disks.includes(disk)) world.mountForeign(disk);
}

const EVENTS = [
  event("plug", (s) => plugOnce(s, WANTED)),
  event("plug", (s) => plugOnce(s, WANTED)),
  event("plug twin", (s) => plugOnce(s, TWIN)),
  event("unplug twin", (s) => s.world.unplug(TWIN.path)),
  event("plug decoy", (s) => plugOnce(s, DECOY)),
  event("unplug", (s) => s.world.unplug(WANTED.path)),
  event("pulled and put back", (s) => {
    s.world.unplug(WANTED.path);
    return s.world.advance(3000).then(() => plugOnce(s, WANTED));
  }),
  event("a detached file system is held", (s) => void (s.world.holding = true)),
  event("nobody holds it any more", (s) => letGo(s)),
  event("somebody mounts the disk there", (s) => mountForeign(s, WANTED)),
  event("somebody mounts a decoy there", (s) => mountForeign(s, DECOY)),
  event("one mount fails", (s) => void s.world.mountErrors.push(ERRNO.EIO)),
  event("two mounts fail", (s) => void s.world.mountErrors.push(ERRNO.EINVAL, ERRNO.EBUSY)),
  event("mount hangs", (s) => void (s.world.slowMount ??= Promise.withResolvers())),
  event("mount goes on", (s) => {
    s.world.slowMount?.resolve();
    s.world.slowMount = undefined;
  }),
  event("unmount is busy for a moment", (s) => void (s.world.busy = 10)),
  event("unmount stays busy", (s) => void (s.world.busy = 1000)),
  event("the next server is stubborn", (s) => void (s.world.nextServerStubborn = true)),
  event("the server turns stubborn", (s) => {
    if (s.world.liveServer !== undefined) s.world.liveServer.stubborn = true;
  }),
  fc.nat(255).map((code) =>
    new Event(`server exits ${code}`, (s) => {
      if (s.world.liveServer !== undefined) s.serverEnds(code, null);
    })
  ),
  event("server is killed", (s) => {
    if (s.world.liveServer !== undefined) s.serverEnds(137, "SIGKILL");
  }),
  ...(["SIGTERM", "SIGINT", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1"] as const).map((name) =>
    event(name, (s) => s.signal(name))
  ),
  // Often, so that what was begun gets to its end before the next event.
  ...[100, 100, 100, 1000, 1000, 1000, 5000, 5000, 31_000, 61_000].map((ms) =>
    event(`${ms} ms pass`, (s) => s.world.advance(ms))
  ),
];

/** P8, judged from the events alone. */
function judge(simulation: Simulation, code: number): void {
  const { world, ownEnd, stopped, platform } = simulation;
  const gokrazy = platform === "gokrazy";
  const last = world.servers.findLast(({ pid }) => !world.lostServers.has(pid));
  if (ownEnd !== undefined) {
    const plain = ownEnd.signal === null ? ownEnd.code : 128 + SIGNALS[ownEnd.signal];
    const zero = plain === 0 && world.detached ? 32 : plain;
    assert.equal(code, gokrazy && (zero === 0 || zero === 125) ? 75 : zero, "P8: its own end");
  } else if (last?.received.includes("SIGKILL")) {
    assert.equal(code, 137, "P8: killed after MNT_STOP");
  } else if (simulation.ending?.kind === "failed" && simulation.ending.failure === "no device") {
    assert.equal(code, 69, "P8: no device");
    assert.equal(last, undefined);
  } else if (
    simulation.ending?.kind === "failed" && last === undefined && !world.detached
  ) {
    assert.equal(code, 32, "P8: mount failed");
  } else if (world.detached) {
    assert.equal(code, 32, "P8: only detached");
  } else {
    assert.equal(code, gokrazy ? 128 + SIGNALS[stopped!] : 0, "P8: stopped, all clean");
  }
}

async function holds(tally: Tally): Promise<void> {
  const { count, random: { seed } } = tally;
  const served = { yes: 0, no: 0 };
  let again = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Platform>("host", "gokrazy"),
      fc.constantFrom("", "0", "30"),
      fc.boolean(),
      fc.commands(EVENTS, { maxCommands: 30, size: "max" }),
      async (platform, wait, plugged, commands) => {
        let simulation: Simulation;
        const setup = async () => {
          simulation = new Simulation(platform, wait, plugged);
          await simulation.afterEvent();
          return { model: {}, real: simulation };
        };
        await fc.asyncModelRun(setup, commands);
        const code = await simulation!.finish();
        judge(simulation!, code);
        if (simulation!.world.lostServers.size > 0) again++;
        served[simulation!.world.servers.length > 0 ? "yes" : "no"]++;
        const ours = simulation!.world.mounts.filter((mount) => !mount.foreign);
        assert.deepEqual(ours, [], "nothing of ours is left mounted");
        assert.equal(simulation!.world.liveServer, undefined, "no server is left");
        assert.equal(simulation!.world.lock, undefined, "the lock is released");
      },
    ),
    { numRuns: count, seed },
  );
  // A generator that never gets to serving would prove nothing.
  assert.ok(served.yes > count / 4, `${served.yes} of ${count} sequences served`);
  assert.ok(again > count / 20, `${again} of ${count} sequences lost a disk`);
  tally.done = count;
}

Deno.test("P1, P2, P3, P8: hold in any order of disk, server and signal events", () =>
  prove({ name: "model of the run loop, sequences", ci: 2000, soak: 20_000 }, holds));
