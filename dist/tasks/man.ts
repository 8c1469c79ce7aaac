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
  return exitRows().map(({ host, when }) => paragraph(bold(host), `${roff(capital(when))}.`)).join(
    "\n",
  );
}

function signals(): string {
  const passed = FORWARDED_SIGNALS.filter(({ action }) => action === "pass").map(({ name }) =>
    name
  );
  return [
    paragraph(
      `${bold("SIGTERM")}, ${bold("SIGINT")}`,
      roff("Stop rest-server and unmount. A second SIGINT does not wait for rest-server."),
    ),
    paragraph(
      bold("SIGHUP"),
      roff("Makes rest-server read `.htpasswd` again; dropped with `--no-auth`, and where it was "),
      roff("ignored at the start."),
    ),
    paragraph(passed.map(bold).join(", "), roff("Are passed on to rest-server.")),
  ].join("\n");
}

const FILES: Readonly<Record<string, string>> = {
  "/etc/default/restic-rest-server":
    "The settings of the two units, and `ARGS`, rest-server's arguments.",
  "/run/restic-rest-server":
    "Lock and status files; `XDG_RUNTIME_DIR` or `/tmp` where it is not run by root.",
};

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
