/**
 * The units of a systemd that runs nothing but what a test starts.
 *
 * @module
 */

/** The least that a start and a shutdown need; systemd brings the targets that are not written here. */
export const UNITS: Readonly<Record<string, string>> = {
  "sysinit.target": "[Unit]\nAfter=local-fs.target\n",
  "basic.target": "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n",
  "local-fs.target": "[Unit]\nConflicts=shutdown.target\nDefaultDependencies=no\n",
  "multi-user.target":
    "[Unit]\nRequires=basic.target systemd-journald.service\nAfter=basic.target\n",
  "network.target": "[Unit]\n",
  "shutdown.target": "[Unit]\nDefaultDependencies=no\n",
  "umount.target": "[Unit]\nDefaultDependencies=no\n",
  "final.target": "[Unit]\nDefaultDependencies=no\nAfter=shutdown.target umount.target\n",
  "exit.target":
    "[Unit]\nDefaultDependencies=no\nRequires=systemd-exit.service\nAfter=systemd-exit.service\n",
  "systemd-exit.service": "[Unit]\nDefaultDependencies=no\n" +
    "Requires=shutdown.target umount.target final.target\n" +
    "After=shutdown.target umount.target final.target\n" +
    "[Service]\nType=oneshot\nExecStart=/bin/systemctl --force exit\n",
  "systemd-journald.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\n" +
    "ListenStream=/run/systemd/journal/stdout\nListenDatagram=/run/systemd/journal/socket\n" +
    "PassCredentials=yes\nPassSecurity=yes\n",
  "systemd-journald.service": "[Unit]\nDefaultDependencies=no\nRequires=systemd-journald.socket\n" +
    "After=systemd-journald.socket\nBefore=sysinit.target\n[Service]\nType=notify\n" +
    "ExecStart=/lib/systemd/systemd-journald\nSockets=systemd-journald.socket\n" +
    "StandardOutput=null\nRuntimeDirectory=systemd/journal\nRuntimeDirectoryPreserve=yes\n",
};
