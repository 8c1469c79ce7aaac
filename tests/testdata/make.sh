#!/bin/bash
# Makes the fixtures anew, from real tools on real loop devices; needs root.
# UUIDs are given, so that only device names and mount ids differ from one run to the next.
#
#   SFDISK=/path/sfdisk BLKID_NEW=/path/blkid BUSYBOX_BLKID=/path/blkid bash tests/testdata/make.sh
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
loops=()
trap 'for l in "${loops[@]}"; do partx -d "$l" 2>/dev/null || true; losetup -d "$l"; done; rm -r "$work"' EXIT

uuid() { printf '%08d-1111-4222-8333-444444444444' "$1"; }
image() { truncate -s "$2" "$work/$1"; }
attach() { # sets $loop
  loop=$(losetup -f --show "$work/$1")
  loops+=("$loop")
}
ext4() { # NUMBER LABEL
  image "ext4-$1" 2M
  mkfs.ext4 -q -F -O ^has_journal -U "$(uuid "$1")" -L "$2" "$work/ext4-$1"
  attach "ext4-$1"
}

# Labels that a parser can stumble over; the last one of ext4-8 is not UTF-8.
ext4 1 plain
ext4 2 'my disk'
ext4 3 'say "hi"'
ext4 4 'back\slash'
ext4 5 'Märchenübung'
ext4 6 'a" UUID="1234'
ext4 7 $'tab\there\nline'
ext4 8 $'bytes \xff\xfe'
ext4 9 ' edges '
ext4 10 '/dev/sda1: x'
ext4 11 twins
ext4 12 twins
ext4 13 '$(id) `id`'
ext4 14 "M-CM-)"

image btrfs-1 128M
image btrfs-2 128M
attach btrfs-1; member1=$loop
attach btrfs-2; member2=$loop
mkfs.btrfs -q -f -d raid1 -m raid1 -L 'pair of disks' -U "$(uuid 20)" "$member1" "$member2" \
  2>/dev/null
image btrfs-3 128M
mkfs.btrfs -q -f -L 'größer "1"' -U "$(uuid 21)" "$work/btrfs-3" 2>/dev/null
attach btrfs-3; single=$loop
dd if="$member1" of=btrfs/raid1-member1.bin bs=4096 skip=16 count=1 status=none
dd if="$member2" of=btrfs/raid1-member2.bin bs=4096 skip=16 count=1 status=none
dd if="$single" of=btrfs/single.bin bs=4096 skip=16 count=1 status=none
dd if="${loops[0]}" of=btrfs/bad-ext4.bin bs=4096 skip=16 count=1 status=none

image xfs 300M
mkfs.xfs -q -L xfs-disk -m uuid="$(uuid 22)" "$work/xfs"
attach xfs
image swap 1M
mkswap -q -L swap -U "$(uuid 23)" "$work/swap"
attach swap

# A GPT whose first partition's own id is the UUID of another disk, and an MBR.
image gpt 8M
"$SFDISK" -q "$work/gpt" <<EOF
label: gpt
label-id: $(uuid 30)
size=2M, uuid=$(uuid 1), name="decoy of plain"
size=2M, uuid=$(uuid 32)
size=1M, uuid=$(uuid 33)
EOF
"$SFDISK" -q --part-label "$work/gpt" 2 'Daten "ä" \ x'
attach gpt; partx -a "$loop"; gpt=$loop
mkfs.ext4 -q -F -O ^has_journal -U "$(uuid 34)" -L part "${gpt}p1"
mkfs.ext4 -q -F -O ^has_journal -U "$(uuid 35)" -L twins "${gpt}p2"
image mbr 4M
printf 'label: dos\nlabel-id: 0x0a0b0c0d\nsize=2M, type=83\n' | "$SFDISK" -q "$work/mbr"
attach mbr; partx -a "$loop"; mbr=$loop
image blank 1M
attach blank; blank=$loop

all=("${loops[@]}" "${gpt}p1" "${gpt}p2" "${gpt}p3" "${mbr}p1")
ask() { # NAME LOCALE BLKID: the exit code of blkid is 2 where a device holds nothing
  LC_ALL=$2 "$3" -c /dev/null "${all[@]}" >"blkid/$1.txt" || [ $? = 2 ]
}
ask util-linux-2.38.1 C.UTF-8 blkid
[ -z "${BLKID_NEW:-}" ] || ask util-linux-2.41.5 C.UTF-8 "$BLKID_NEW"
# The locale changes nothing: one file for both.
ask C C blkid
cmp blkid/util-linux-2.38.1.txt blkid/C.txt && rm blkid/C.txt
if [ -n "${BUSYBOX_BLKID:-}" ]; then "$BUSYBOX_BLKID" "${all[@]}" >blkid/busybox-1.35.0.txt; fi
# Not what the parser reads: other formats of the same program.
blkid -c /dev/null -o export "${loops[0]}" >blkid/bad-export.txt
blkid -c /dev/null -p "$blank" >blkid/none.txt || [ $? = 2 ]
head -c 60 blkid/util-linux-2.38.1.txt >blkid/bad-cut.txt

# In a mount namespace of its own, gone with the shell.
export work single member1 ext4="${loops[0]}" out="$PWD/mountinfo"
unshare -m --propagation private bash -euo pipefail <<'EOF'
mount -t tmpfs -o size=1M base /media
cd /media
mkdir 'a b' $'tab\there' $'line\nend' 'back\slash' 'ha#sh' 'umläut' stack over shared slave sub deep " - "
mount -t tmpfs 'with space' 'a b'
mount -t tmpfs 'a#b\c' $'tab\there'
mount -t tmpfs none $'line\nend'
mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime none 'back\slash'
mount -t tmpfs none 'ha#sh'
mount -t tmpfs ümlaut 'umläut'
mount -t tmpfs none ' - '
grep ' /media' /proc/self/mountinfo >"$out/escapes.txt"
grep ' /media' /proc/self/mounts >"$out/bad-proc-mounts.txt"
umount 'a b' $'tab\there' $'line\nend' 'back\slash' 'ha#sh' 'umläut' ' - '

mount -t tmpfs first stack
mount -t tmpfs second stack
mount "$ext4" stack
mkdir over/below
mount -t tmpfs hidden over/below
mount -t tmpfs cover over
mkdir over/below
grep ' /media' /proc/self/mountinfo >"$out/stacked.txt"
umount stack; umount stack; umount stack; umount over; umount over/below

mount -t tmpfs peer shared
mount --make-shared shared
mkdir shared/inner
mount --bind shared slave
mount --make-slave slave
mount -t tmpfs propagated shared/inner
mount -t tmpfs unbindable sub
mount --make-unbindable sub
grep ' /media' /proc/self/mountinfo >"$out/propagated.txt"
umount -R shared slave sub

mount "$single" deep
btrfs subvolume create deep/backup >/dev/null
mkdir deep/backup/restic
mount -o subvol=backup,noatime "$single" sub
mount --bind sub/restic over
grep ' /media' /proc/self/mountinfo >"$out/btrfs.txt"
umount over sub deep

# A line as long as overlayfs makes them.
for n in $(seq 60); do mkdir -p "$work/lower/layer-with-a-long-name-number-$n"; done
cd "$work/lower"
mount -t overlay -o "lowerdir=$(ls -d * | paste -sd:)" long /media/over
grep ' /media' /proc/self/mountinfo >"$out/long.txt"
EOF

# Records of the kernel about a mount that it refuses, one that a program wrote, and records of a boot.
records() { timeout 1 cat /dev/kmsg || true; }
last=$(records | grep -E '^[0-9]+,[0-9]+,' | tail -n 1 | cut -d, -f2)
mount -t ext4 -o 'bad\opt=ä' "${loops[0]}" /mnt 2>/dev/null || true
mount -t xfs "${loops[0]}" /mnt 2>/dev/null || true
echo 'a program: ümlaut \ and "quotes"' >/dev/kmsg
records | awk -F, -v last="$last" '/^[0-9]/ { on = $2 > last } on' >kmsg/mount.txt
dmesg | tail -n 3 >kmsg/bad-dmesg.txt
records | grep -A 2 -m 2 'virtio_blk' >kmsg/boot.txt || true
