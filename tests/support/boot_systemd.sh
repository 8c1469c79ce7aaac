#!/bin/sh
# Becomes systemd as process 1 of its own namespaces: boot_systemd.sh UNIT-DIRECTORY
# What is installed and configured here is gone with it; the machine's own units, generators, settings and
# processes are out of its reach.
set -e
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /mnt
umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for directory in /usr/local /etc; do
	upper=/run/upper$directory work=/run/work$directory
	mkdir -p "$upper" "$work"
	mount -t overlay -o "lowerdir=$directory,upperdir=$upper,workdir=$work" overlay "$directory"
done
mkdir -p /etc/systemd/system
mount -t tmpfs -o mode=755 tmpfs /etc/systemd/system
for systemd in /lib/systemd/systemd /usr/lib/systemd/systemd; do [ -x $systemd ] && break; done
# See the container interface of systemd: with `container` set it leaves the machine's settings alone.
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	SYSTEMD_UNIT_PATH="$1:/etc/systemd/system:/usr/local/lib/systemd/system" \
	SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_PROC_CMDLINE=test \
	$systemd --system --unit=multi-user.target --log-target=console --show-status=no
