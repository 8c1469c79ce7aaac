/**
 * Becoming another user, who may still listen on a low port where that is asked for.
 *
 * @module
 */
import { Failure } from "../mod/exit.ts";
import type { LaunchPlan } from "../mod/launch.ts";
import {
  CAP_NET_BIND_SERVICE,
  LINUX_CAPABILITY_VERSION_3,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_SET_KEEPCAPS,
} from "../mod/linux.ts";
import { lastErrno, setProcess } from "./launch_calls.ts";
import type { LauncherLibc } from "./libc.ts";

/**
 * Takes groups, ids and capabilities of a user.
 *
 * @param lowPort whether it listens below port 1024: CAP_NET_BIND_SERVICE stays, see capabilities(7).
 * @throws {Failure} "not permitted"
 */
export function become(
  libc: LauncherLibc,
  { uid, gid }: NonNullable<LaunchPlan["user"]>,
  lowPort: boolean,
): void {
  const call = (result: number, name: string) => {
    if (result === 0) return;
    throw new Failure(
      "not permitted",
      `Cannot run rest-server as MNT_USER=${uid}:${gid}: ${name}: ${lastErrno(libc)}; ` +
        "start this program as root",
    );
  };
  const keep = lowPort && uid !== 0;
  if (keep) setProcess(libc, PR_SET_KEEPCAPS, 1);
  call(libc.setgroups(1n, Uint32Array.of(gid)), "setgroups(2)");
  call(libc.setresgid(gid, gid, gid), "setresgid(2)");
  call(libc.setresuid(uid, uid, uid), "setresuid(2)");
  if (uid === 0) return;
  // A wrapper that is not root, but has capabilities of its own, would hand them on over setresuid(2).
  call(
    libc.prctl(PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_CLEAR_ALL), 0n, 0n, 0n),
    "prctl(2), PR_CAP_AMBIENT",
  );
  // struct __user_cap_header_struct { __u32 version; int pid; }, and two of
  // struct __user_cap_data_struct { __u32 effective, permitted, inheritable; }
  const mask = keep ? 1 << CAP_NET_BIND_SERVICE : 0;
  const header = Uint32Array.of(LINUX_CAPABILITY_VERSION_3, 0);
  call(libc.capset(header, Uint32Array.of(mask, mask, mask, 0, 0, 0)), "capset(2)");
  if (!keep) return;
  const [raise, capability] = [BigInt(PR_CAP_AMBIENT_RAISE), BigInt(CAP_NET_BIND_SERVICE)];
  call(libc.prctl(PR_CAP_AMBIENT, raise, capability, 0n, 0n), "prctl(2), PR_CAP_AMBIENT");
}
