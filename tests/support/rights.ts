/**
 * Programs to put in front of the program, each of which takes away a right of root.
 *
 * @module
 */

/** Numbers of system calls, of `asm/unistd_64.h` and `asm-generic/unistd.h`. */
const CALLS = {
  x86_64: { mount: 165, prctl: 157 },
  aarch64: { mount: 40, prctl: 167 },
}[Deno.build.arch];

function perl(...statements: readonly string[]): string[] {
  return ["perl", "-e", [...statements, "exec @ARGV or die $!"].join("; ")];
}

/** Under a seccomp(2) filter that answers mount(2) with an errno. */
export function withoutMount(errno: number): string[] {
  // struct sock_filter { __u16 code; __u8 jt, jf; __u32 k; }, see linux/filter.h and linux/seccomp.h.
  const filter = [
    [0x20, 0, 0, 0], // BPF_LD | BPF_W | BPF_ABS: the number of the call
    [0x15, 0, 1, CALLS.mount], // BPF_JMP | BPF_JEQ | BPF_K
    [0x06, 0, 0, 0x00050000 | errno], // BPF_RET: SECCOMP_RET_ERRNO
    [0x06, 0, 0, 0x7fff0000], // BPF_RET: SECCOMP_RET_ALLOW
  ];
  return perl(
    `$filter = pack("(SCCL)*", ${filter.flat().join(", ")})`,
    `$program = pack("S x6 P", ${filter.length}, $filter)`,
    // PR_SET_SECCOMP, SECCOMP_MODE_FILTER
    `syscall(${CALLS.prctl}, 22, 2, $program) == 0 or die $!`,
  );
}

/** In a Landlock domain, in which nobody mounts; the one access that it handles is MAKE_BLOCK. */
export function inLandlock(): string[] {
  return perl(
    `$rules = pack("Q", 1 << 11)`,
    `$fd = syscall(444, $rules, 8, 0)`,
    "$fd >= 0 or die $!",
    "syscall(446, $fd, 0) == 0 or die $!",
  );
}

/** As root of a user namespace. */
export const IN_USER_NAMESPACE: readonly string[] = ["unshare", "--user", "--map-root-user"];

/** As root without CAP_SYS_ADMIN. */
export const INCAPABLE: readonly string[] = [
  ...["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"],
];

/** As nobody, who may still read and write every file: the program's own among them. */
export const AS_NOBODY: readonly string[] = [
  ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
  ...["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"],
];
