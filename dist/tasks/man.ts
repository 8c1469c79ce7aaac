/**
 * `deno task man`: writes the manual page restic-rest-server(8) anew from the tables of the code.
 *
 * @module
 */
import { CONFIG, type Variable } from "../../mod/variables.ts";
import { exitRows, VERBS } from "../../mod/help.ts";
import { FORWARDED_SIGNALS } from "../../mod/signals.ts";
import denoJson from "../../deno.json" with { type: "json" };

const PAGE = new URL("../man/restic-rest-server.8", import.meta.url);

/** Text in man(7)'s language: backslashes, hyphens that can be copied, and no line that looks like a request. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq")
    .replace(/^\./gm, "\\&.");
}

/** As {@linkcode escaped}, with what stands between backquotes in bold. */
function roff(text: string): string {
  return text.split("`").map((part, i) => i % 2 === 0 ? escaped(part) : bold(part)).join("");
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

/** A sentence's first letter; the names of programs and file systems stay as they are written. */
function capital(text: string): string {
  if (/^(rest-server|exfat)\b/.test(text)) return text;
  return text[0]!.toUpperCase() + text.slice(1);
}

function paragraph(term: string, ...text: readonly string[]): string {
  return [".TP", term, ...text].join("\n");
}

function verbs(): string {
  const page = Object.entries(VERBS).map(([verb, { follows, does }]) =>
    paragraph(
      `${bold(verb)} ${escaped(follows)}`.trim(),
      `${roff(capital(does))}.`,
    )
  );
  return page.join("\n");
}

function variables(): string {
  const rows = Object.entries<Variable<unknown>>(CONFIG);
  return rows.map(([name, { fallback, takes, meaning }]) => {
    const unset = fallback === "-" ? "" : ` Where it is unset: ${fallback}.`;
    return paragraph(bold(name), `${roff(`${capital(meaning)}. Takes ${takes}.${unset}`)}`);
  }).join("\n");
}

function exitCodes(): string {
  const codes = Map.groupBy(exitRows(), ({ host }) => host);
  return [...codes].map(([host, rows]) => {
    const reasons = rows.map(({ when }) => when).join("; or ");
    return paragraph(bold(host), `${roff(capital(reasons))}.`);
  }).join("\n");
}

function signals(): string {
  const passed = FORWARDED_SIGNALS.filter(({ action }) => action === "pass");
  const names = (rows: typeof passed) => rows.map(({ name }) => bold(name)).join(", ");
  const stopping = names(passed.filter(({ alone }) => alone === "stop"));
  return [
    paragraph(
      `${bold("SIGTERM")}, ${bold("SIGINT")}`,
      roff("Stop rest-server and unmount. A second SIGINT kills rest-server at once."),
    ),
    paragraph(
      bold("SIGHUP"),
      roff("Makes rest-server read `.htpasswd` again; dropped with `--no-auth` or"),
      roff(
        "`--proxy-auth-username`, where it would end rest-server, and where it was ignored at the",
      ),
      roff("start."),
    ),
    paragraph(
      names(passed),
      roff("Are passed on to rest-server."),
      `While that does not run, ${stopping} stops this program, and the others do nothing.`,
    ),
    paragraph(bold("SIGUSR1"), roff("Is ignored.")),
  ].join("\n");
}

const FILES: Readonly<Record<string, string>> = {
  "/etc/default/restic-rest-server":
    "The settings of the two units, and `ARGS`, rest-server's arguments.",
  "/run/restic-rest-server":
    "Lock and status files; `XDG_RUNTIME_DIR` or `/tmp` where it is not run by root.",
};

/** What for, and the lines of a shell. */
const EXAMPLES: readonly (readonly [string, readonly string[]])[] = [
  [
    "A disk by its UUID, wherever it is plugged in, with a repository of its own for each user:",
    [
      "MNT_SOURCE=UUID=5e1c0f6a-2f7d-4f0e-9c55-0d6a5a1f8b3e MNT_TARGET=/mnt/backup \\",
      "  restic-rest-server --path /mnt/backup/restic --private-repos",
    ],
  ],
  [
    "An NFS export. The kernel mounts it by itself, so its data needs the addresses as numbers:",
    [
      "MNT_SOURCE=192.168.1.5:/backup MNT_FSTYPE=nfs4 MNT_TARGET=/mnt/backup \\",
      "  MNT_DATA=addr=192.168.1.5,clientaddr=192.168.1.7,vers=4.1,soft,timeo=100,retrans=1 \\",
      "  restic-rest-server --path /mnt/backup/restic",
    ],
  ],
  [
    "What a start would find, with nothing mounted or changed:",
    [
      "MNT_SOURCE=LABEL=restic MNT_TARGET=/mnt/backup \\",
      "  restic-rest-server check --path /mnt/backup/restic",
    ],
  ],
];

function examples(): string {
  return EXAMPLES.map(([text, lines]) => {
    const shown = lines.map((line) => `    ${escaped(line)}`);
    return [roff(text), ".PP", ".nf", ...shown, ".fi"].join("\n");
  }).join("\n.PP\n");
}

/** The page. */
export function manualPage(): string {
  return `.\\" Made by "deno task man" from the tables of the program: do not edit.
.TH RESTIC\\-REST\\-SERVER 8 "" "restic\\-rest\\-server ${
    escaped(denoJson.version)
  }" "System Administration"
.nh
.ad l
.SH NAME
restic\\-rest\\-server \\- mount a disk and serve it with restic\\(aqs rest\\-server
.SH SYNOPSIS
.B MNT_SOURCE=\\fIdisk\\fB MNT_TARGET=\\fIdirectory\\fB restic\\-rest\\-server
.RI [ "rest\\-server flags" ]
.PP
.B systemctl start restic\\-rest\\-server
.SH DESCRIPTION
.B restic\\-rest\\-server
finds the disk that holds the backups of
.BR restic ,
mounts it, proves that \\fB\\-\\-path\\fR lies on it, and runs rest\\-server there.
A disk that is late, or that was pulled, is waited for and served when it is back.
At the end rest\\-server is stopped first, and the disk unmounted after it.
.PP
Every argument belongs to rest\\-server.
The program itself is configured by variables alone.
.SH COMMANDS
A first argument that is one of these words is answered in place of serving.
${verbs()}
.SH ENVIRONMENT
One that is empty counts as unset.
With none of \\fBMNT_SOURCE\\fR, \\fBMNT_TARGET\\fR and \\fBMNT_FSTYPE\\fR, rest\\-server runs without a mount.
${variables()}
.TP
\\fBNOTIFY_SOCKET\\fR, \\fBWATCHDOG_USEC\\fR, \\fBWATCHDOG_PID\\fR
What systemd asks by, see
.BR sd_notify (3).
They are not handed on to rest\\-server.
.SH EXIT STATUS
On gokrazy some are others; \\fBrestic\\-rest\\-server help\\fR shows both.
${exitCodes()}
.SH SIGNALS
${signals()}
.SH FILES
${Object.entries(FILES).map(([path, text]) => paragraph(bold(path), roff(text))).join("\n")}
.SH EXAMPLES
${examples()}
.SH SEE ALSO
.BR restic (1),
.BR mount (8),
.BR blkid (8),
.BR systemctl (1),
.BR landlock (7)
`;
}

if (import.meta.main) {
  await Deno.mkdir(new URL(".", PAGE), { recursive: true });
  await Deno.writeTextFile(PAGE, manualPage());
}
