# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Words that the guest's scripts share. Runs under busybox sh.

# Waits until no resync, rebuild or check of $1 (md0) runs.
settle() {
  sync_polls=0
  usleep 300000 # what was just asked for has not begun yet
  while :; do
    sync_now=$(cat "/sys/block/$1/md/sync_action" 2>/dev/null || echo idle)
    [ "$sync_now" = idle ] || [ "$sync_now" = frozen ] && break
    sync_polls=$((sync_polls + 1))
    [ "$sync_polls" -lt 1200 ] || { echo "gave up waiting for $sync_now of $1"; return 1; }
    usleep 100000
  done
}

# The member at position $1, counted from 0, of $DISKS.
disk() {
  disk_index=$1
  for disk_name in $DISKS; do
    [ "$disk_index" -ne 0 ] || { echo "$disk_name"; return; }
    disk_index=$((disk_index - 1))
  done
}

# Writes a sysfs attribute, and says which if it is refused.
attribute() {
  echo "$2" >"$1" || echo "refused: $2 > $1"
}

detail() {
  mdadm --detail "$1" | grep -E -v 'Version|Creation|Update Time|UUID|Name|^ *$'
}

examine() {
  for examine_disk in "$@"; do
    mdadm --examine "$examine_disk" 2>&1 | grep -E -v 'Creation|UUID|Name :|^ *$'
  done
}

# Tells what it does, and does it.
t() {
  echo "+ $*"
  "$@" 2>&1
}

# Creates /dev/md0 and tells how.
create() {
  t mdadm --create /dev/md0 --run --name="$NAME" "$@"
}

# Takes the next $3 of $DISKS for the array $1 with the salt $2: $D0, $D1, ... and $ALL.
begin() {
  NAME=$1 SALT=$2 ALL=
  dmesg -c >/dev/null
  begin_index=0
  while [ "$begin_index" -lt "$3" ]; do
    begin_disk=${DISKS%% *}
    DISKS=${DISKS#* }
    export "D$begin_index=$begin_disk"
    ALL="$ALL $begin_disk"
    begin_index=$((begin_index + 1))
  done
  ALL=${ALL# }
  export NAME SALT ALL
}

# Ends an array: what the kernel said, and nothing left assembled.
finish() {
  echo "kernel:"
  dmesg | grep -E 'md' | sed -E 's/^\[ *[0-9.]+\] /  /'
  mdadm --stop --scan 2>/dev/null
}

# Slow resync and rebuild ($1 KiB a second), or as fast as they can (no argument).
speed() {
  echo "${1:-1}" >/proc/sys/dev/raid/speed_limit_min
  echo "${1:-10000000}" >/proc/sys/dev/raid/speed_limit_max
}

# The plug: the host kills the machine when it reads this (run -q).
pull() {
  echo "the plug is pulled"
  sleep 60
}

# What a rebuild or resync says of itself.
progress() {
  echo "sync_action $(cat /sys/block/md0/md/sync_action)," \
    "sync_completed $(cat /sys/block/md0/md/sync_completed)"
}

# Of $1's sectors, how many hold salt $2, how many salt $3, and how many something else.
old_and_new() {
  both_all=$(cat /sys/block/md0/size)
  both_old=$(pat check "$1" "$2" 0 - | sed -n 's/.* bad=//p')
  both_new=$(pat check "$1" "$3" 0 - | sed -n 's/.* bad=//p')
  echo "sectors: $both_all, of them $((both_all - both_old)) old (salt $2)," \
    "$((both_all - both_new)) new (salt $3), $((both_old + both_new - both_all)) neither"
}

# Starts what is there, waits for the kernel's resync or rebuild, and shows what it says.
wake() {
  dmesg -c >/dev/null
  # shellcheck disable=SC2086
  t mdadm --assemble --run "$@" /dev/md0 $DISKS || return
  detail /dev/md0
  settle md0
  mdadm --detail /dev/md0 | grep -E ' State :|Events'
  dmesg -c | grep md | sed -E 's/^\[ *[0-9.]+\] /  /'
}

scrub() {
  echo check >/sys/block/md0/md/sync_action
  settle md0
  echo "check: mismatch_cnt $(cat /sys/block/md0/md/mismatch_cnt)"
}

bitmaps() {
  for bitmap_disk in "$@"; do
    mdadm --examine-bitmap "$bitmap_disk" 2>&1 | grep -E 'Filename|Events|State|Bitmap :'
  done
}
